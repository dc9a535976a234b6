import { cosineHistogram } from "../stitching/decoder_cosine.ts";
import type { InterpolationPoint } from "../stitching/interpolate.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import { barPlot } from "./bar_plot.ts";
import { linePlot } from "./line_plot.ts";
import { ownChanges } from "./own_changes.ts";
import { scatterPlot } from "./scatter_plot.ts";

/** Two SAEs that were studied, by name. */
export interface StudiedPair {
  /** Name of the small SAE. */
  small: string;
  /** Name of the large SAE. */
  large: string;
  /** What was measured. */
  study: PairStudy;
}

/** A plot of a stitching report. */
export interface StitchingPlot {
  /** Name for its file, without an ending. */
  name: string;
  /** The SVG. */
  svg: string;
}

/** "A → B". */
export function pairTitle({ small, large }: StudiedPair): string {
  return `${small} → ${large}`;
}

/** A name for a pair's files: letters and digits of any script, others become "_". */
export function pairFile({ small, large }: StudiedPair): string {
  return `${small}_to_${large}`.replaceAll(/[^\p{L}\p{M}\p{N}_.-]+/gu, "_");
}

/** How the large latents' largest decoder cosines are spread (Fig. 10). */
export function cosinePlot(pair: StudiedPair): StitchingPlot {
  const { nearest, threshold } = pair.study;
  return {
    name: `cosine_${pairFile(pair)}`,
    svg: barPlot(cosineHistogram(nearest.cosine), {
      title: "Nearest latents (Fig. 10)",
      description: `${
        pairTitle(pair)
      }. How many latents of the large SAE have which largest decoder cosine.`,
      xLabel: "largest decoder cosine with a latent of the small SAE",
      yLabel: "latents",
      mark: { x: threshold, label: `θ = ${threshold}` },
    }),
  };
}

/** Change of the MSE by each large latent beside its largest cosine (Fig. 4, 21). */
export function effectsPlot(pair: StudiedPair): StitchingPlot {
  const { nearest: { cosine }, effects, threshold } = pair.study;
  const active = [...cosine.keys()].filter((latent) => effects.deltaL0[latent] > 0);
  const series = (label: string, latents: number[]) => ({
    label,
    x: latents.map((latent) => cosine[latent]),
    y: latents.map((latent) => effects.deltaMse[latent]),
  });
  return {
    name: `effects_${pairFile(pair)}`,
    svg: scatterPlot([
      series("novel", active.filter((latent) => cosine[latent] < threshold)),
      series("reconstruction", active.filter((latent) => cosine[latent] >= threshold)),
    ], {
      title: "Adding one latent (Fig. 4)",
      description: `${
        pairTitle(pair)
      }. Change of the MSE when a latent is added alone, against its largest cosine.`,
      xLabel: "largest decoder cosine with a latent of the small SAE",
      yLabel: "change of MSE (Σ over d)",
      mark: { x: threshold, label: `θ = ${threshold}` },
      clip: 0.01,
    }),
  };
}

/** Height of a plot with a line a pair: a legend of long names takes a row each. */
function tall(pairs: readonly StudiedPair[]): number {
  return 280 + 20 * pairs.length;
}

/** Do cosines predict the sign of effects (Fig. 16): a curve a pair. */
export function rocPlot(pairs: readonly StudiedPair[]): StitchingPlot {
  const curves = pairs.flatMap((pair) => {
    const { auc, points } = pair.study.roc;
    if (auc === undefined) return [];
    return [{
      label: `AUC ${auc.toFixed(3)}, ${pairTitle(pair)}`,
      x: points.map(({ falsePositiveRate }) => falsePositiveRate!),
      y: points.map(({ truePositiveRate }) => truePositiveRate!),
    }];
  });
  return {
    name: "roc",
    svg: linePlot([...curves, { label: "chance", x: [0, 1], y: [0, 1] }], {
      title: "The cosine as a predictor of the effect's sign (Fig. 16)",
      description: "ROC curve: a latent is called novel where its cosine is below a threshold.",
      height: tall(pairs),
      xLabel: "worsening latents called novel",
      yLabel: "improving latents called novel",
    }),
  };
}

/** Activation similarity beside decoder cosine (Fig. 11). */
export function similarityPlot(pair: StudiedPair): StitchingPlot {
  const { pairs } = pair.study.similarity;
  return {
    name: `similarity_${pairFile(pair)}`,
    svg: scatterPlot([{
      label: "pairs of latents",
      x: pairs.map(({ decoderCosine }) => decoderCosine),
      y: pairs.map(({ activationCosine }) => activationCosine),
    }], {
      title: "Activations and decoder rows (Fig. 11)",
      description: `${
        pairTitle(pair)
      }. Cosine of two latents' activations against the cosine of their decoder rows.`,
      xLabel: "decoder cosine",
      yLabel: "activation cosine",
    }),
  };
}

/** What each swap does to MSE and L0 (Fig. 17), in percent of the small SAE's. */
export function swapsPlot(pair: StudiedPair): StitchingPlot {
  const { mse, l0, deltaMse, deltaL0 } = pair.study.swaps;
  return {
    name: `swaps_${pairFile(pair)}`,
    svg: scatterPlot([{
      label: "swaps",
      x: deltaL0.map((change) => 100 * change / l0),
      y: deltaMse.map((change) => 100 * change / mse),
    }], {
      title: "Swapping one group (Fig. 17)",
      description: `${
        pairTitle(pair)
      }. Change of MSE against change of L0 when a group of latents is swapped alone.`,
      xLabel: "change of L0, %",
      yLabel: "change of MSE, %",
      clip: 0.02,
    }),
  };
}

/** The MSE while novel latents are inserted in random order (Fig. 18): a curve a pair. */
export function randomPlot(pairs: readonly StudiedPair[]): StitchingPlot {
  return {
    name: "random_insertion",
    svg: linePlot(
      pairs.map((pair) => ({
        label: pairTitle(pair),
        x: pair.study.randomInsertions.map(({ step }) => step),
        y: percentOfFirst(pair.study.randomInsertions),
      })),
      {
        title: "Novel latents in random order (Fig. 18)",
        description: "Change of the MSE in percent while novel latents are inserted one by one.",
        height: tall(pairs),
        xLabel: "novel latents inserted",
        yLabel: "change of MSE, %",
      },
    ),
  };
}

/**
 * The MSE while novel latents are inserted, in the order of the path, as the SAEs are and with a gain
 * each (the shrinkage control): two curves a pair. What mixing the biases does is taken off.
 */
export function shrinkagePlot(pairs: readonly StudiedPair[]): StitchingPlot {
  const curves = pairs.flatMap((pair) => {
    const curve = (label: string, path: readonly InterpolationPoint[]) => {
      const changes = ownChanges(path, "insert");
      let sum = 0;
      return {
        label: `${label}, ${pairTitle(pair)}`,
        x: [0, ...changes.keys().map((step) => step + 1)],
        y: [0, ...changes.map(({ mse }) => 100 * (sum += mse) / path[0].mse)],
      };
    };
    return [
      curve("as trained", pair.study.path),
      curve("with gains", pair.study.withGain.path),
    ];
  });
  return {
    name: "shrinkage",
    svg: linePlot(curves, {
      title: "Novel latents, and the shrinkage control",
      description:
        "Change of the MSE in percent while novel latents are inserted one by one, as the " +
        "SAEs are, and with the gain of each that makes its own MSE least.",
      height: 280 + 20 * curves.length,
      xLabel: "novel latents inserted",
      yLabel: "change of MSE, %",
    }),
  };
}

function percentOfFirst(points: readonly InterpolationPoint[]): number[] {
  return points.map(({ mse }) => 100 * (mse / points[0].mse - 1));
}

/** MSE and L0 on the way through all SAEs (Fig. 5, 22): a curve a pair, one after the other. */
export function pathPlots(pairs: readonly StudiedPair[]): StitchingPlot[] {
  const starts = pairs.map((_, i) =>
    pairs.slice(0, i).reduce((steps, { study }) => steps + study.path.length - 1, 0)
  );
  const plot = (key: "mse" | "l0", title: string, yLabel: string) => ({
    name: `path_${key}`,
    svg: linePlot(
      pairs.map((pair, i) => ({
        label: pairTitle(pair),
        x: pair.study.path.map(({ step }) => starts[i] + step),
        y: pair.study.path.map((point) => point[key]),
      })),
      {
        title: `${title} from SAE to SAE (Fig. 5)`,
        description: `${title} while novel latents are inserted and groups swapped.`,
        height: tall(pairs),
        xLabel: "steps: a novel latent inserted, then a group swapped",
        yLabel,
        fromZero: false,
      },
    ),
  });
  return [
    plot("mse", "MSE", "MSE: mean of Σ(x − x̂)²"),
    plot("l0", "L0", "active latents a sample"),
  ];
}
