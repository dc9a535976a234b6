// Latents and meta-latents that a report shows: which, by what names, and as HTML.
import type { LatentExamples } from "../interpretation/top_examples.ts";
import type { Decomposition } from "../meta/decompose.ts";
import { latentsOf, metaLatentsOf, relatedLatents } from "../meta/read_decomposition.ts";
import { decompositionGraph } from "./decomposition_graph.ts";
import { escapeHtml } from "./escape.ts";
import { formatNumber, formatShare } from "../format_number.ts";
import { card, contextList, visibleToken } from "./latent_card.ts";
import type { ComparedMetaLatents } from "../meta/meta_findings.ts";
import { table } from "./page.ts";

/** Where latents are active in texts, by their numbers; empty where no text was read. */
export type Contexts = ReadonlyMap<number, LatentExamples>;

/** What the cards of a report on a meta-SAE are drawn from. */
export interface CardSource {
  /** The decomposed latents. */
  decomposition: Decomposition;
  /** SAEs beside which the meta-latents were put. */
  compared: readonly ComparedMetaLatents[];
  /** Where latents are active in texts. */
  contexts: Contexts;
}

// Three words fill a box of a graph.
const WORDS = 3;
const LATENTS_PER_CARD = 5;
const CONTEXTS_PER_LATENT = 2;
const NEIGHBOURS = 10;

/** The tokens at which a latent peaks, strongest first, each once: “ walk” “ run”. */
export function peakTokens(latent: number, contexts: Contexts): string[] {
  const examples = contexts.get(latent)?.examples ?? [];
  const tokens = examples.map(({ tokens, peak }) => visibleToken(tokens[peak].trim() || "␣"));
  return [...new Set(tokens)].slice(0, WORDS).map((token) => `“${token}”`);
}

/** "12 “walk” “run”": a latent's number and the tokens at which it peaks. */
export function latentLabel(latent: number, contexts: Contexts): string {
  return [latent, ...peakTokens(latent, contexts)].join(" ");
}

/** "M3 “walk” “Berlin”": a meta-latent's number and the first token of its strongest latents each. */
export function metaLatentLabel(
  metaLatent: number,
  { decomposition, contexts }: Pick<CardSource, "decomposition" | "contexts">,
): string {
  const words = new Set<string>();
  for (const { latent } of latentsOf(decomposition, metaLatent)) {
    if (words.size === WORDS || contexts.size === 0) break;
    const [first] = peakTokens(latent, contexts);
    if (first !== undefined) words.add(first);
  }
  return [`M${metaLatent}`, ...words].join(" ");
}

/** One meta-latent as HTML: its strongest latents with their contexts, and its likes in other SAEs. */
export function metaLatentCard(metaLatent: number, source: CardSource): string {
  const { decomposition, compared, contexts } = source;
  const latents = latentsOf(decomposition, metaLatent);
  const strongest = latents.slice(0, LATENTS_PER_CARD).map(({ latent, weight }) =>
    `<h4>${escapeHtml(latentLabel(latent, contexts))} ` +
    `<small>weight ${formatNumber(weight)}</small></h4>` +
    contextsOf(latent, contexts, CONTEXTS_PER_LATENT)
  );
  return card(`meta-latent-${metaLatent}`, `Meta-latent ${metaLatent}`, [
    ["latents that use it", formatNumber(latents.length)],
    ["largest weight", formatNumber(latents[0]?.weight ?? 0)],
    ...compared.map(({ name, cosine, nearest }) => [
      `nearest in ${name}`,
      `${nearest[metaLatent]}, cosine ${cosine[metaLatent].toFixed(2)}`,
    ]),
  ], `<div>${strongest.join("\n") || "<p>No latent uses it.</p>"}</div>`);
}

/** One latent as HTML: its contexts, its meta-latents, and the latents that share them (Fig. 1). */
export async function decompositionCard(latent: number, source: CardSource): Promise<string> {
  const { decomposition, contexts } = source;
  const own = metaLatentsOf(decomposition, latent).map(({ latent: metaLatent, weight }) => ({
    ...{ metaLatent, weight, label: metaLatentLabel(metaLatent, source) },
  }));
  const graph = await decompositionGraph({
    label: latentLabel(latent, contexts),
    metaLatents: own,
    latents: relatedLatents(decomposition, latent, { most: NEIGHBOURS }).map((other) => ({
      label: latentLabel(other.latent, contexts),
      shared: other.shared.map(({ latent, weight }) => ({
        metaLatent: own.findIndex(({ metaLatent }) => metaLatent === latent),
        weight,
      })),
    })),
  });
  const rows = own.map(({ metaLatent, weight, label }) => [
    label,
    formatNumber(weight),
    latentsOf(decomposition, metaLatent).filter((other) => other.latent !== latent)
      .slice(0, LATENTS_PER_CARD).map((other) => latentLabel(other.latent, contexts)).join(", "),
  ]);
  const parts = own.length === 0
    ? "<p>No meta-latent is active in it.</p>"
    : table("Its meta-latents", ["", "Weight", "Strongest in these other latents"], rows, false) +
      `<div class="graph">${graph.svg}</div>`;
  const density = contexts.get(latent)?.density;
  return card(`latent-${latent}`, ["Latent", latent, ...peakTokens(latent, contexts)].join(" "), [
    ["meta-latents", formatNumber(own.length)],
    ["‖w − ŵ‖²", formatNumber(decomposition.squaredErrors[latent])],
    ...(density === undefined ? [] : [["density", formatShare(density)]]),
  ], `<div>${contextsOf(latent, contexts)}</div>\n<div class="whole">${parts}</div>`);
}

function contextsOf(latent: number, contexts: Contexts, most?: number): string {
  const found = contexts.get(latent);
  return found ? contextList(found, most) : "";
}
