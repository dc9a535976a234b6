import type { LineFit } from "../stitching/activation_similarity.ts";
import { cosineHistogram, type DecoderOverlap } from "../stitching/decoder_cosine.ts";
import type { InterpolationPoint } from "../stitching/interpolate.ts";
import { barPlot, binsFrom } from "./bar_plot.ts";
import { type Figure, figure } from "./figure.ts";
import { formatNumber } from "../format_number.ts";
import { heatMap } from "./heat_map.ts";
import { colour, dashes, QUIET, shorten } from "./legend.ts";
import { linePlot } from "./line_plot.ts";
import { pathPlots } from "./path_plots.ts";
import { scatterPlot } from "./scatter_plot.ts";
import { pairFile, pairTitle, type StudiedPair } from "../stitching/study_chain.ts";
import { ownChanges } from "../claims/own_changes.ts";
import { extent } from "./ticks.ts";

/** All figures of a stitching report, for files of their own. */
export function stitchingPlots(
  pairs: readonly StudiedPair[],
  overlap: DecoderOverlap,
): Promise<Figure>[] {
  return [...chainPlots(pairs), ...pairs.flatMap(pairPlots), overlapPlot(overlap, pairs)];
}

/** The figures that show all pairs. */
export function chainPlots(pairs: readonly StudiedPair[]): Promise<Figure>[] {
  return [...pathPlots(pairs), rocPlot(pairs), randomPlot(pairs), shrinkagePlot(pairs)];
}

/** The figures of each pair. */
export function pairPlots(pair: StudiedPair): Promise<Figure>[] {
  return [cosinePlot, effectsPlot, similarityPlot, swapsPlot, missingPlot].map((plot) =>
    plot(pair)
  );
}

const about = (pair: StudiedPair, kind: string, title: string, description: string) => ({
  ...{ name: `${kind}_${pairFile(pair)}`, title },
  description: `${pairTitle(pair)}. ${description}`,
});

/** How the large latents' largest decoder cosines are spread (Fig. 10). */
function cosinePlot(pair: StudiedPair): Promise<Figure> {
  const { nearest, threshold } = pair.study;
  return barPlot(binsFrom(0, cosineHistogram(nearest.cosine)), {
    ...about(
      pair,
      "cosine",
      "Nearest latents (Fig. 10)",
      "How many latents of the large SAE have which largest decoder cosine.",
    ),
    xLabel: "largest decoder cosine with a latent of the small SAE",
    yLabel: "latents",
    mark: { x: threshold, label: `θ = ${threshold}` },
  });
}

/** Change of the MSE by each large latent beside its largest cosine (Fig. 4, 21). */
function effectsPlot(pair: StudiedPair): Promise<Figure> {
  const { nearest: { cosine }, effects, threshold } = pair.study;
  const active = [...cosine.keys()].filter((latent) => effects.deltaL0[latent] > 0);
  const series = (label: string, latents: number[]) => ({
    label,
    x: latents.map((latent) => cosine[latent]),
    y: latents.map((latent) => effects.deltaMse[latent]),
  });
  return scatterPlot([
    series("novel", active.filter((latent) => cosine[latent] < threshold)),
    series("reconstruction", active.filter((latent) => cosine[latent] >= threshold)),
  ], {
    ...about(
      pair,
      "effects",
      "Adding one latent (Fig. 4)",
      "Change of the MSE when a latent is added alone, against its largest cosine.",
    ),
    xLabel: "largest decoder cosine with a latent of the small SAE",
    yLabel: "change of MSE (Σ over d)",
    mark: { x: threshold, label: `θ = ${threshold}` },
    clip: 0.01,
  });
}

/** Do cosines predict the sign of effects (Fig. 16): a curve per pair. */
export function rocPlot(pairs: readonly StudiedPair[]): Promise<Figure> {
  const curves = pairs.flatMap((pair) => {
    const { auc, points } = pair.study.roc;
    if (auc === undefined) return [];
    return [{
      label: `AUC ${auc.toFixed(3)}, ${pairTitle(pair)}`,
      x: points.map(({ falsePositiveRate }) => falsePositiveRate!),
      y: points.map(({ truePositiveRate }) => truePositiveRate!),
    }];
  });
  return linePlot(curves, {
    name: "roc",
    title: "Do cosines predict the effect's sign? (Fig. 16)",
    description: "ROC curve: a latent is called novel where its cosine is below a threshold. " +
      curves.map(({ label }) => `${label}.`).join(" "),
    xLabel: "worsening latents called novel",
    yLabel: "improving latents called novel",
    legend: curves.map(({ label }, i) => ({ label, colour: colour(i), dash: "" })),
    beneath: (plot) => [
      plot.line([[0, 0], [1, 1]], { strokeOpacity: 0.35, strokeDasharray: "3 4" }),
      plot.text([[0.72, 0.72]], {
        ...{ text: ["chance"], dy: 12, textAnchor: "start", fillOpacity: 0.65 },
      }),
    ],
  });
}

/** Activation similarity beside decoder cosine, with straight lines through it (Fig. 11). */
export function similarityPlot(pair: StudiedPair): Promise<Figure> {
  const { pairs, fit, fitAbove } = pair.study.similarity;
  const x = pairs.map(({ decoderCosine }) => decoderCosine);
  const [least, most] = extent(x);
  const line = (name: string, fitted: LineFit | undefined, from: number, dash: number) => {
    if (!fitted) return [];
    const { rSquared, ...straight } = fitted;
    const x: [number, number] = [from, most];
    return [{ ...straight, x, label: `${name}: R² = ${rSquared.toFixed(2)}`, dash: dashes(dash) }];
  };
  const lines = [
    ...line("fit above 0.5", fitAbove.activationCosine, 0.5, 0),
    ...line("fit of all", fit.activationCosine, least, 1),
  ];
  const y = pairs.map(({ activationCosine }) => activationCosine);
  return scatterPlot([{ label: "pairs of latents", x, y }], {
    ...about(
      pair,
      "similarity",
      "Activations and decoder rows (Fig. 11)",
      `Cosine of two latents' activations against the cosine of their decoder rows. ` +
        lines.map(({ label }) => `${label}.`).join(" "),
    ),
    xLabel: "decoder cosine",
    yLabel: "activation cosine",
    lines,
  });
}

/** What each swap does to MSE and L0 (Fig. 17), in percent of the small SAE's. */
function swapsPlot(pair: StudiedPair): Promise<Figure> {
  const { mse, l0, deltaMse, deltaL0 } = pair.study.swaps;
  return scatterPlot([{
    label: "swaps",
    x: deltaL0.map((change) => 100 * change / l0),
    y: deltaMse.map((change) => 100 * change / mse),
  }], {
    ...about(
      pair,
      "swaps",
      "Swapping one group (Fig. 17)",
      "Change of MSE against change of L0 when a group of latents is swapped alone.",
    ),
    xLabel: "change of L0, %",
    yLabel: "change of MSE, %",
    clip: 0.02,
  });
}

/** MSE of both SAEs where novel latents of the large one are active, and where they are not (Fig. 14). */
export function missingPlot(pair: StudiedPair): Promise<Figure> {
  const { mean, latents } = pair.study.missing;
  const kinds = [
    { kind: "inactive", label: "novel latent inactive", colour: QUIET },
    { kind: "active", label: "novel latent active", colour: colour(0) },
  ] as const;
  const bars = (["small", "large"] as const).flatMap((side) =>
    !mean ? [] : kinds.map(({ kind, colour }) => ({ side, kind, colour, mse: mean[side][kind] }))
  );
  const told = bars.map(({ side, kind, mse }) => `${pair[side]}, ${kind}: ${formatNumber(mse)}.`);
  return figure({
    ...about(
      pair,
      "missing_information",
      "What the small SAE misses (Fig. 14)",
      "MSE on samples in which a novel latent of the large SAE is active, and on the others: " +
        `means over ${latents.length} latents. ${told.join(" ")}`,
    ),
    legend: kinds.map(({ label, colour }) => ({ label, colour, symbol: "square" })),
    x: { type: "band", axis: null, domain: kinds.map(({ kind }) => kind), padding: 0.08 },
    y: { label: "MSE (Σ over d)", nice: true, domain: extent([0, ...bars.map(({ mse }) => mse)]) },
    plot: {
      fx: {
        ...{ domain: ["small", "large"], padding: 0.3, label: null, axis: "bottom", tickSize: 0 },
        tickFormat: (side: "small" | "large") => shorten(pair[side], 190),
      },
      marginBottom: 30,
    },
    marks: (plot) =>
      bars.length === 0 ? [] : [
        plot.barY(bars, { x: "kind", y: "mse", fx: "side", fill: "colour" }),
        plot.text(bars, {
          ...{ x: "kind", y: "mse", fx: "side", dy: -8 },
          text: ({ mse }) => formatNumber(mse),
        }),
        plot.ruleY([0], { strokeOpacity: 0.5 }),
      ],
  });
}

/** Share of each SAE's latents that have a similar one in each other SAE (Fig. 19). */
export function overlapPlot(
  { names, share }: DecoderOverlap,
  pairs: readonly StudiedPair[],
): Promise<Figure> {
  return heatMap(share, {
    name: "overlap",
    title: "Reconstruction latents (Fig. 19)",
    description: "Share of the latents of a row's SAE that have a latent of cosine " +
      `${pairs[0]?.study.threshold} or more in a column's.`,
    ...{ rowNames: names, colNames: names, cell: 52 },
  });
}

/** The MSE while novel latents are inserted in random order (Fig. 18): a curve per pair. */
function randomPlot(pairs: readonly StudiedPair[]): Promise<Figure> {
  const curves = pairs.map((pair) => {
    const points = pair.study.randomInsertions;
    return {
      label: pairTitle(pair),
      x: points.map(({ step }) => step),
      y: points.map(({ mse }) => 100 * (mse / points[0].mse - 1)),
    };
  });
  return linePlot(curves, {
    name: "random_insertion",
    title: "Novel latents in random order (Fig. 18)",
    description: "Change of the MSE in percent while novel latents are inserted one by one.",
    xLabel: "novel latents inserted",
    yLabel: "change of MSE, %",
  });
}

/**
 * The MSE while novel latents are inserted, in the order of the path, as the SAEs are and with a gain
 * each (the shrinkage control): two curves per pair. What mixing the biases does is taken off.
 */
export function shrinkagePlot(pairs: readonly StudiedPair[]): Promise<Figure> {
  const curves = pairs.flatMap((pair, i) => {
    const curve = (label: string, path: readonly InterpolationPoint[], dash: number) => {
      const changes = ownChanges(path, "insert");
      let sum = 0;
      return {
        label: `${label}, ${pairTitle(pair)}`,
        x: [0, ...changes.keys().map((step) => step + 1)],
        y: [0, ...changes.map(({ mse }) => 100 * (sum += mse) / path[0].mse)],
        ...{ colour: colour(i), dash },
      };
    };
    const { path, withGain } = pair.study;
    return [curve("as trained", path, 0), curve("with gains", withGain.path, 1)];
  });
  return linePlot(curves, {
    name: "shrinkage",
    title: "Novel latents, and the shrinkage control",
    description:
      "Change of the MSE in percent while novel latents are inserted one by one, as the " +
      "SAEs are, and with the gain of each that makes its own MSE least.",
    xLabel: "novel latents inserted",
    yLabel: "change of MSE, %",
  });
}
