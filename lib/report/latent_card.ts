import type { LatentExample } from "../interpretation/latent_example.ts";
import type { LatentExamples } from "../interpretation/top_examples.ts";
import { barPlot, evenBins } from "./bar_plot.ts";
import { escapeHtml } from "./escape.ts";
import { formatNumber, formatShare } from "../format_number.ts";

/** One latent as HTML: how often and how strongly it is active, and the texts in which it is most. */
export async function latentCard(latent: LatentExamples): Promise<string> {
  const { density, maxActivation, histogram: { width, counts } } = latent;
  const plot = counts.length === 0 ? undefined : await barPlot(evenBins(counts, width), {
    name: `activations_${latent.latent}`,
    title: "Activations",
    description: `Distribution of the activations of latent ${latent.latent} above zero.`,
    width: 280,
    height: 180,
  });
  return card(
    `latent-${latent.latent}`,
    `Latent ${latent.latent}`,
    [
      ["density", formatShare(density)],
      ["largest activation", formatNumber(maxActivation)],
    ],
    contextList(latent),
    plot?.svg,
  );
}

/**
 * A card as HTML.
 *
 * @param facts Names and values, below the title.
 * @param contents HTML of its body.
 * @param figure An SVG below the facts.
 */
export function card(
  id: string,
  title: string,
  facts: readonly (readonly string[])[],
  contents: string,
  figure = "",
): string {
  const list = facts.map((fact) => {
    const [name, value] = fact.map(escapeHtml);
    return `<div><dt>${name}</dt><dd>${value}</dd></div>`;
  });
  return `<article class="latent" id="${id}">
<header>
<h3>${escapeHtml(title)}</h3>
<dl>${list.join("")}</dl>
${figure}
</header>
${contents}
</article>`;
}

/** The contexts of a latent as HTML, strongest first, at most `most` of them. */
export function contextList(
  { examples, maxActivation }: Pick<LatentExamples, "examples" | "maxActivation">,
  most = Infinity,
): string {
  if (examples.length === 0) return "<p>Active nowhere in these texts.</p>";
  const lines = examples.slice(0, most)
    .map((example) => `<li>${contextLine(example, maxActivation)}</li>`);
  return `<ol>\n${lines.join("\n")}\n</ol>`;
}

/**
 * The activation at the peak, then the text, shaded by activation.
 *
 * @param most The activation that is shaded most, the latent's largest.
 */
function contextLine(
  { tokens, activations, peak, row, position }: LatentExample,
  most: number,
): string {
  const spans = tokens.map((token, i) => {
    const words = escapeHtml(visibleToken(token));
    const activation = activations[i];
    if (!(activation > 0)) return words;
    const strength = Math.min(1, activation / most).toFixed(2);
    const tag = i === peak ? "mark" : "span";
    return `<${tag} style="--a:${strength}" title="${formatNumber(activation)}">${words}</${tag}>`;
  });
  const where = `row ${row}, position ${position}`;
  // As many decimals in each line as give the largest three digits.
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most))));
  const value = activations[peak].toFixed(decimals);
  return `<span class="peak" title="${where}">${value}</span><span class="text">` +
    `${spans.join("")}</span>`;
}

/**
 * A token with nothing invisible in it: line ends as ↵, tabs as ⇥, spaces as · where there is nothing
 * else, control characters and those that turn the direction of text by their code.
 */
export function visibleToken(token: string): string {
  const shown = /^ +$/.test(token) ? token.replaceAll(" ", "·") : token;
  return shown.replaceAll("\r\n", "↵").replaceAll("\n", "↵").replaceAll("\t", "⇥")
    .replace(
      /[\p{Cc}\p{Bidi_Control}]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}
