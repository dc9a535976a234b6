import type { Decomposition } from "../meta/decompose.ts";
import { latentsOf, metaLatentsOf, relatedLatents } from "../meta/read_decomposition.ts";
import { decompositionGraph } from "./decomposition_graph.ts";
import { escapeHtml } from "./escape_html.ts";
import type { Figure } from "./figure.ts";
import { formatNumber, formatShare } from "./format_number.ts";
import { contextLine } from "./latent_card.ts";
import type { ComparedMetaLatents } from "./meta_findings.ts";
import { type Contexts, latentLabel, metaLatentLabel, peakTokens } from "./meta_labels.ts";
import { table } from "./table.ts";

/** What the cards of a report on a meta-SAE are drawn from. */
export interface CardSource {
  /** The latents taken apart. */
  decomposition: Decomposition;
  /** SAEs beside which the meta-latents were put. */
  compared: readonly ComparedMetaLatents[];
  /** Where latents are active in texts. */
  contexts: Contexts;
}

const LATENTS_A_CARD = 5;
const CONTEXTS_A_LATENT = 2;
const NEIGHBOURS = 10;

/** One meta-latent as HTML: its strongest latents with their contexts, and its likes in other SAEs. */
export function metaLatentCard(metaLatent: number, source: CardSource): string {
  const { decomposition, compared, contexts } = source;
  const latents = latentsOf(decomposition, metaLatent);
  const facts: [string, string][] = [
    ["latents that use it", formatNumber(latents.length)],
    ["largest weight", formatNumber(latents[0]?.weight ?? 0)],
    ...compared.map(({ name, cosine, nearest }): [string, string] => [
      `nearest in ${name}`,
      `${nearest[metaLatent]}, cosine ${cosine[metaLatent].toFixed(2)}`,
    ]),
  ];
  const strongest = latents.slice(0, LATENTS_A_CARD).map(({ latent, weight }) =>
    `<h4>${escapeHtml(latentLabel(latent, contexts))} ` +
    `<small>weight ${formatNumber(weight)}</small></h4>` +
    contextList(latent, contexts, CONTEXTS_A_LATENT)
  );
  return `<article class="latent" id="meta-latent-${metaLatent}">
<header>
<h3>Meta-latent ${metaLatent}</h3>
${factList(facts)}
</header>
<div>${strongest.join("\n") || "<p>No latent uses it.</p>"}</div>
</article>`;
}

/** One latent as HTML: its contexts, its meta-latents, and the latents that share them (Fig. 1). */
export async function decompositionCard(latent: number, source: CardSource): Promise<string> {
  const { decomposition, contexts } = source;
  const own = metaLatentsOf(decomposition, latent);
  const density = contexts.get(latent)?.density;
  const facts: [string, string][] = [
    ["meta-latents", formatNumber(own.length)],
    ["‖w − ŵ‖²", formatNumber(decomposition.squaredErrors[latent])],
    ...(density === undefined ? [] : [["density", formatShare(density)] as [string, string]]),
  ];
  const rows = own.map(({ latent: metaLatent, weight }) => [
    metaLatentLabel(metaLatent, decomposition, contexts),
    formatNumber(weight),
    latentsOf(decomposition, metaLatent).filter((other) => other.latent !== latent)
      .slice(0, LATENTS_A_CARD).map((other) => latentLabel(other.latent, contexts)).join(", "),
  ]);
  const parts = own.length === 0
    ? "<p>No meta-latent is active in it.</p>"
    : table("Its meta-latents", ["", "Weight", "Strongest in these other latents"], rows, false) +
      `<div class="graph">${(await graph(latent, source)).svg}</div>`;
  return `<article class="latent" id="latent-${latent}">
<header>
<h3>${escapeHtml(["Latent", latent, ...peakTokens(latent, contexts)].join(" "))}</h3>
${factList(facts)}
</header>
<div>${contextList(latent, contexts, Infinity)}</div>
<div class="whole">${parts}</div>
</article>`;
}

function graph(latent: number, { decomposition, contexts }: CardSource): Promise<Figure> {
  const own = metaLatentsOf(decomposition, latent);
  const place = new Map(own.map((metaLatent, at) => [metaLatent.latent, at]));
  return decompositionGraph({
    label: latentLabel(latent, contexts),
    metaLatents: own.map(({ latent: metaLatent, weight }) => ({
      label: metaLatentLabel(metaLatent, decomposition, contexts),
      weight,
    })),
    latents: relatedLatents(decomposition, latent, NEIGHBOURS).map((other) => ({
      label: latentLabel(other.latent, contexts),
      shared: other.shared.map(({ latent: metaLatent, weight }) => ({
        metaLatent: place.get(metaLatent)!,
        weight,
      })),
    })),
  });
}

function factList(facts: [string, string][]): string {
  return `<dl>${
    facts.map(([name, value]) =>
      `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`
    ).join("")
  }</dl>`;
}

function contextList(latent: number, contexts: Contexts, most: number): string {
  const found = contexts.get(latent);
  if (!found) return "";
  if (found.examples.length === 0) return "<p>Active nowhere in these texts.</p>";
  const lines = found.examples.slice(0, most)
    .map((example) => `<li>${contextLine(example, found.maxActivation)}</li>`);
  return `<ol>\n${lines.join("\n")}\n</ol>`;
}
