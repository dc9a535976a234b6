import type { LatentExample } from "../interpretation/latent_example.ts";
import type { LatentExamples } from "../interpretation/top_examples.ts";
import { barPlot } from "./bar_plot.ts";
import { escapeHtml } from "./escape_html.ts";
import { formatNumber, formatShare } from "./format_number.ts";

/** One latent as HTML: how often and how strongly it is active, and the texts in which it is most. */
export async function latentCard(latent: LatentExamples): Promise<string> {
  const { density, maxActivation, histogram: { width, counts }, examples } = latent;
  const edges = Array.from({ length: counts.length + 1 }, (_, b) => b * width);
  const plot = counts.length === 0 ? undefined : await barPlot({ edges, counts }, {
    name: `activations_${latent.latent}`,
    title: "Activations",
    description: `Distribution of the activations of latent ${latent.latent} above zero.`,
    width: 280,
    height: 180,
  });
  const contexts = examples.map((example) => `<li>${contextLine(example, maxActivation)}</li>`);
  return `<article class="latent" id="latent-${latent.latent}">
<header>
<h3>Latent ${latent.latent}</h3>
<dl><div><dt>density</dt><dd>${formatShare(density)}</dd></div>` +
    `<div><dt>largest activation</dt><dd>${formatNumber(maxActivation)}</dd></div></dl>
${plot?.svg ?? ""}
</header>
${
      contexts.length > 0
        ? `<ol>\n${contexts.join("\n")}\n</ol>`
        : "<p>Active nowhere in these texts.</p>"
    }
</article>`;
}

/**
 * One context as HTML, for a list: the activation at the peak, then the text, shaded by activation.
 *
 * @param most The activation that is shaded most, the latent's largest.
 */
export function contextLine(
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
