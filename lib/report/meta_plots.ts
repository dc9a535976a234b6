import { cosineHistogram } from "../stitching/decoder_cosine.ts";
import { barPlot, binsFrom } from "./bar_plot.ts";
import type { Figure } from "./figure.ts";
import { colour, QUIET } from "./legend.ts";
import { linePlot, type LineSeries, sizeAxis } from "./line_plot.ts";
import { mean } from "../mean.ts";
import type { ComparedMetaLatents, MetaFindings } from "../meta/meta_findings.ts";
import { distinct } from "../sweep/equal_l0.ts";

/** The figures of a report on a meta-SAE, beside those of its training. */
export function metaPlots(findings: MetaFindings): Promise<Figure>[] {
  const compared = findings.compared.toSorted((a, b) => a.dictSize - b.dictSize);
  if (compared.length === 0) return [];
  return [
    meanCosinePlot(compared),
    replacementPlot(compared, findings.decomposition.explainedVariance),
    ...findings.compared.map(cosinePlot),
  ];
}

/** How the meta-latents' largest cosines with one SAE are spread (Fig. 6). */
function cosinePlot({ name, dictSize, cosine, meanCosine }: ComparedMetaLatents): Promise<Figure> {
  return barPlot(binsFrom(0, cosineHistogram(cosine)), {
    name: `cosine_${name.replaceAll(/[^\w.-]+/g, "_")}`,
    title: `Meta-latents beside ${name} (Fig. 6)`,
    description: `How many meta-latents have which largest cosine with one of ${dictSize} latents.`,
    xLabel: "largest cosine of a meta-latent with a latent",
    yLabel: "meta-latents",
    mark: { x: meanCosine, label: `mean ${meanCosine.toFixed(2)}` },
  });
}

const ROWS = { sae: colour(0), random: QUIET, matched: colour(1) };

/** Mean largest cosine against the size of the SAE, beside what random directions have. */
function meanCosinePlot(compared: readonly ComparedMetaLatents[]): Promise<Figure> {
  const line = curves(compared);
  return linePlot([
    line("the SAE's latents", ROWS.sae, ({ meanCosine }) => meanCosine),
    line("random unit rows", ROWS.random, ({ chance }) => mean(chance.isotropic)),
    line("random rows of its covariance", ROWS.matched, ({ chance }) => mean(chance.matched)),
  ], {
    name: "mean_cosine",
    title: "Meta-latents beside SAEs of several sizes (Fig. 6)",
    description:
      "Mean over meta-latents of the largest cosine with a latent, against their number.",
    yLabel: "mean largest cosine",
    ...sizeAxis(distinct(compared.map(({ dictSize }) => dictSize)), "latents of the SAE"),
  });
}

/** Explained variance with meta-decoder rows replaced, against the size of the SAE (Fig. 23). */
function replacementPlot(
  compared: readonly ComparedMetaLatents[],
  asTrained: number,
): Promise<Figure> {
  const line = curves(compared);
  return linePlot([
    { ...line("as trained", "currentColor", () => 100 * asTrained), dash: 1 },
    line(
      "rows replaced by the SAE's",
      ROWS.sae,
      ({ replaced }) => 100 * replaced.explainedVariance,
    ),
    line(
      "by random unit rows",
      ROWS.random,
      ({ replacedControls: { isotropic } }) => 100 * isotropic.explainedVariance,
    ),
    ...(compared.every(({ replacedControls }) => replacedControls.matched)
      ? [
        line("by random rows of its covariance", ROWS.matched, ({ replacedControls }) =>
          100 * replacedControls.matched!.explainedVariance),
      ]
      : []),
  ], {
    name: "replacement",
    title: "Meta-latents replaced by an SAE's latents (Fig. 23)",
    description: "Explained variance before and after, against the number of the SAE's latents.",
    yLabel: "explained variance, %",
    ...sizeAxis(distinct(compared.map(({ dictSize }) => dictSize)), "latents of the SAE"),
  });
}

function curves(compared: readonly ComparedMetaLatents[]) {
  const x = compared.map(({ dictSize }) => dictSize);
  return (label: string, colour: string, y: (sae: ComparedMetaLatents) => number): LineSeries => ({
    ...{ label, colour, x, y: compared.map(y), dash: 0 },
  });
}
