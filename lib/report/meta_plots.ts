import { cosineHistogram } from "../stitching/decoder_cosine.ts";
import { barPlot } from "./bar_plot.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";
import { type ComparedMetaLatents, mean, type MetaFindings } from "./meta_findings.ts";
import type { StitchingPlot } from "./stitching_plots.ts";

/** The plots of a report on a meta-SAE, beside those of its training. */
export function metaPlots(findings: MetaFindings): StitchingPlot[] {
  const { compared } = findings;
  if (compared.length === 0) return [];
  return [meanCosinePlot(compared), replacementPlot(findings), ...compared.map(cosinePlot)];
}

/** How the meta-latents' largest cosines with one SAE are spread (Fig. 6). */
function cosinePlot({ name, dictSize, cosine, meanCosine }: ComparedMetaLatents): StitchingPlot {
  return {
    name: `cosine_${name.replaceAll(/[^\w.-]+/g, "_")}`,
    svg: barPlot(cosineHistogram(cosine), {
      title: `Meta-latents beside ${name} (Fig. 6)`,
      description:
        `How many meta-latents have which largest cosine with one of ${dictSize} latents.`,
      xLabel: `largest cosine of a meta-latent with a latent of ${name}`,
      yLabel: "meta-latents",
      mark: { x: meanCosine, label: `mean ${meanCosine.toFixed(2)}` },
    }),
  };
}

/** Mean largest cosine against the size of the SAE, beside what random directions have. */
function meanCosinePlot(compared: readonly ComparedMetaLatents[]): StitchingPlot {
  const { x, xTicks } = sizes(compared);
  return {
    name: "mean_cosine",
    svg: linePlot([
      { label: "the SAE's latents", x, y: compared.map(({ meanCosine }) => meanCosine) },
      { label: "random unit rows", x, y: compared.map(({ chance }) => mean(chance.isotropic)) },
      {
        label: "random rows of its covariance",
        ...{ x, y: compared.map(({ chance }) => mean(chance.matched)) },
      },
    ], {
      title: "Meta-latents beside SAEs of several sizes (Fig. 6)",
      description:
        "Mean over meta-latents of the largest cosine with a latent, against their number.",
      xLabel: "latents of the SAE",
      yLabel: "mean largest cosine",
      ...{ xTicks, logX: true, dots: true },
    }),
  };
}

/** Explained variance with meta-decoder rows replaced, against the size of the SAE (Fig. 23). */
function replacementPlot({ compared, decomposition }: MetaFindings): StitchingPlot {
  const { x, xTicks } = sizes(compared);
  const level = (label: string, share: number): LineSeries => ({
    ...{ label, x, y: x.map(() => 100 * share) },
  });
  return {
    name: "replacement",
    svg: linePlot([
      level("as trained", decomposition.explainedVariance),
      {
        label: "rows replaced by the SAE's",
        x,
        y: compared.map(({ replaced }) => 100 * replaced.explainedVariance),
      },
      {
        label: "by random unit rows",
        x,
        y: compared.map(({ replacedControls }) =>
          100 * replacedControls.isotropic.explainedVariance
        ),
      },
      ...(compared.every(({ replacedControls }) => replacedControls.matched)
        ? [{
          label: "by random rows of its covariance",
          x,
          y: compared.map(({ replacedControls }) =>
            100 * replacedControls.matched!.explainedVariance
          ),
        }]
        : []),
    ], {
      title: "Meta-latents replaced by an SAE's latents (Fig. 23)",
      description: "Explained variance before and after, against the number of the SAE's latents.",
      xLabel: "latents of the SAE",
      yLabel: "explained variance, %",
      ...{ xTicks, logX: true, dots: true },
    }),
  };
}

function sizes(compared: readonly ComparedMetaLatents[]): { x: number[]; xTicks: number[] } {
  const x = compared.map(({ dictSize }) => dictSize);
  return { x, xTicks: [...new Set(x)] };
}
