import type { LatentDashboard, Neighbour } from "../interpretation/dashboards.ts";
import type { LatentLogits, TokenLogit } from "../interpretation/latent_logits.ts";
import { barPlot, evenBins } from "./bar_plot.ts";
import { escapeHtml } from "./escape.ts";
import { formatNumber, formatShare } from "../format_number.ts";
import { card, contextList, visibleToken } from "./latent_card.ts";
import { figureGrid, headlineNumbers, page, paragraph, section, table } from "./page.ts";

/** What the page of a latent tells. */
export interface LatentPage {
  /** What was seen of the latent. */
  dashboard: LatentDashboard;
  /** What it does to the logits, where the model's unembedding was read. */
  logits?: LatentLogits;
  /** What it stands for, in words, and where these come from. */
  label?: { text: string; source: string };
  /** Name of the SAE. */
  sae: string;
  /** Samples that were read. */
  samples: number;
  /** Samples that correlations are over. */
  correlated: number;
  /** What else the reader should know, below the title: the model, its hook, the texts. */
  facts?: readonly string[];
  /** Latents that have a page beside this one, named by {@linkcode latentPageName}. */
  pages?: ReadonlySet<number>;
}

/** Name of the file of a latent's page. */
export function latentPageName(latent: number): string {
  return `latent-${latent}.html`;
}

/**
 * One latent on a page of its own (Fig. 12 and 13): contexts with the largest activations and samples of all
 * intervals, shaded by activation; histograms of activations and logits; tokens that it promotes and suppresses;
 * latents near it, latents active with it, and the meta-latents that make it up. The page loads nothing and runs no
 * script; texts and names are shown as they are, whatever they hold.
 */
export async function latentPage(
  { dashboard, logits, label, sae, samples, correlated, facts = [], pages }: LatentPage,
): Promise<string> {
  const { latent, maxActivation, meanActivation, density, actives } = dashboard;
  const about = facts.map(visibleToken);
  return page(`Latent ${latent} of ${visibleToken(sae)}`, [
    ...about,
    `${formatNumber(samples)} samples`,
  ], [
    label ? labelLine(label) : "",
    links(dashboard, pages),
    headlineNumbers([
      ["density", formatShare(density), "share of samples with an activation"],
      ["active", formatNumber(actives), `of ${formatNumber(samples)} samples`],
      ["largest activation", formatNumber(maxActivation), ""],
      ["mean activation", formatNumber(meanActivation), "where it is active"],
    ]),
    section("Distributions", await figureGrid(plots(dashboard, logits))),
    section("Logits", logitTables(logits)),
    section("Contexts", scale(maxActivation), topCard(dashboard), ...intervalCards(dashboard)),
    section("Other latents", neighbourTables(dashboard, correlated)),
  ]);
}

function labelLine({ text, source }: { text: string; source: string }): string {
  return `<p><strong>${escapeHtml(visibleToken(text))}</strong> ` +
    `<span class="note">(label from ${escapeHtml(visibleToken(source))})</span></p>`;
}

/** Links to the pages of latents that this one's tables name. */
function links(
  { latent, nearest, coactive }: LatentDashboard,
  pages: ReadonlySet<number> = new Set(),
): string {
  const named = new Set([...nearest, ...coactive].map((each) => each.latent));
  const linked = [...named].filter((each) => each !== latent && pages.has(each))
    .sort((a, b) => a - b);
  if (linked.length === 0) return "";
  const list = linked.map((each) => `<a href="${latentPageName(each)}">${each}</a>`);
  return `<p class="note">Pages of latents below: ${list.join(", ")}</p>`;
}

function plots({ latent, histogram }: LatentDashboard, logits: LatentLogits | undefined) {
  const { width, counts } = histogram;
  const found = [];
  if (counts.length > 0) {
    found.push(barPlot(evenBins(counts, width), {
      name: `activations_${latent}`,
      title: "Activations above zero",
      description: `Distribution of the activations of latent ${latent} above zero.`,
      xLabel: "activation",
      yLabel: "samples",
    }));
  }
  if (logits) {
    const { low, high, counts } = logits.histogram;
    const step = (high - low) / counts.length;
    // All effects are equal where the decoder row is zero: there is no width to draw.
    if (step > 0) {
      found.push(barPlot(evenBins(counts, step, low), {
        name: `logits_${latent}`,
        title: "Effects on logits",
        description: `Distribution of the effects of latent ${latent} on the logits of all tokens.`,
        xLabel: "logit per unit of activation",
        yLabel: "tokens",
      }));
    }
  }
  return found;
}

function logitTables(logits: LatentLogits | undefined): string {
  if (!logits) return "";
  const rows = (tokens: readonly TokenLogit[]) =>
    tokens.map(({ text, logit }) => [shownToken(text), logit.toPrecision(3)]);
  return paragraph(
    "Decoder direction times unembedding, past all later layers: what one unit of activation adds to a " +
      "token's logit. A space in front of a token is shown as ·.",
  ) +
    `<div class="tables">${table("Promoted", ["token", "logit"], rows(logits.promoted))}${
      table("Suppressed", ["token", "logit"], rows(logits.suppressed))
    }</div>`;
}

/** A token by itself: a space in front of it would not be seen. */
const shownToken = (text: string): string => visibleToken(text).replace(/^ /, "·");

function scale(maxActivation: number): string {
  if (!(maxActivation > 0)) return "";
  const steps = [0.25, 0.5, 0.75, 1].map((share) =>
    `<span style="--a:${share}">${formatNumber(share * maxActivation)}</span>`
  );
  return `<p class="scale">Shaded by activation: ${steps.join(" ")}. The token whose activation ` +
    `stands in front is underlined.</p>`;
}

function topCard({ top, maxActivation }: LatentDashboard): string {
  return card(
    "top",
    "Largest activations",
    [["contexts, one per token row", String(top.length)]],
    contextList({ examples: top, maxActivation }),
  );
}

/** The strongest interval first; those without activations, as below a threshold, are left out. */
function intervalCards({ intervals, actives, maxActivation }: LatentDashboard): string[] {
  const cards = intervals.flatMap(({ low, high, count, samples }, i) => {
    if (count === 0) return [];
    const facts = [["activations", formatNumber(count)], ["of all", formatShare(count / actives)]];
    const contents = samples.length > 0
      ? contextList({ examples: samples, maxActivation })
      : "<p>No contexts were sampled.</p>";
    const title = `${formatNumber(low)} to ${formatNumber(high)}`;
    return [card(`interval-${i}`, title, [...facts, sampled(samples.length)], contents)];
  });
  return cards.reverse();
}

const sampled = (count: number): string[] => ["random sample", String(count)];

function neighbourTables(
  { nearest, coactive, others, metaLatents }: LatentDashboard,
  correlated: number,
): string {
  const near = (found: readonly Neighbour[]) =>
    found.map(({ latent, cosine }) => [String(latent), cosine.toFixed(3)]);
  const tables = [
    table("Nearest by decoder cosine", ["latent", "cosine"], near(nearest)),
    table(
      `Active together, in ${formatNumber(correlated)} samples`,
      ["latent", "correlation", "samples with both"],
      coactive.map(({ latent, correlation, together }) => [
        ...[String(latent), correlation.toFixed(3), formatNumber(together)],
      ]),
    ),
    ...others.map(({ name, nearest }) =>
      table(`Nearest in ${visibleToken(name)}`, ["latent", "cosine"], near(nearest))
    ),
    table(
      "Meta-latents that make it up",
      ["meta-latent", "weight"],
      metaLatents.map(({ latent, weight }) => [String(latent), formatNumber(weight)]),
    ),
  ].filter((each) => each !== "");
  return tables.length > 0 ? `<div class="tables">${tables.join("\n")}</div>` : "";
}
