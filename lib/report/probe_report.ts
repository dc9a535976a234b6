import type { ProbeStudy } from "../interpretation/study_probes.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "../format_number.ts";
import { scoreInterval, wilsonInterval } from "../claims/intervals.ts";
import { architectureColour, QUIET } from "./legend.ts";
import { linePlot, type LineSeries, sizeAxis } from "./line_plot.ts";
import {
  figureGrid,
  page,
  paragraph,
  type ReportAbout,
  section,
  settingsTable,
  table,
} from "./page.ts";
import { distinct, meanCurves } from "../sweep/equal_l0.ts";
import { mean } from "../mean.ts";
import { csv, plotFiles } from "./files.ts";

/** What a report on probes tells. */
export interface ProbeReport extends ReportAbout {
  /** The language model and the hook. */
  model: { id: string; hook: string };
  /** Name of the labelled texts. */
  data: string;
  /** What was found. */
  study: ProbeStudy;
}

/**
 * Accuracy of sparse probes against dictionary size, a figure for each k (Fig. 24 and 25): the mean over classes.
 * Baselines are lines across: k channels of the residual stream, all of it, chance.
 */
export function probePlots({ saes, channels, residual }: ProbeStudy): Promise<Figure>[] {
  const sizes = distinct(saes.map(({ dictSize }) => dictSize));
  const across = (label: string, value: number, dash: number): LineSeries => ({
    ...{ label, colour: QUIET, dash, bare: true },
    x: [sizes[0], sizes[sizes.length - 1]],
    y: [value, value],
  });
  return distinct(channels.map(({ k }) => k)).map((k) => {
    const ofK = <T extends { k: number }>(probes: readonly T[]) =>
      probes.filter((probe) => probe.k === k);
    return linePlot([
      ...curves(saes, ({ probes }) => accuracy(ofK(probes))),
      across(k === 1 ? "one channel" : `${k} channels`, accuracy(ofK(channels)), 1),
      across("whole residual stream", accuracy(residual), 0),
      across("chance", 0.5, 2),
    ], {
      name: `probes_k${k}`,
      title: k === 1 ? "Probes on one latent" : `Probes on ${k} latents`,
      description: `Mean accuracy over classes of probes on ${k} latents against dictionary size.`,
      ...{ ...sizeAxis(sizes), yLabel: "accuracy", fromZero: false },
    });
  });
}

/**
 * The score of targeted probe perturbation against dictionary size, a figure for each number of latents that are
 * ablated (Fig. 26). None where there are fewer than three labels.
 */
export function perturbationPlots({ saes }: ProbeStudy): Promise<Figure>[] {
  const sizes = distinct(saes.map(({ dictSize }) => dictSize));
  const counts = distinct(
    saes.flatMap(({ perturbations }) => perturbations.map(({ count }) => count)),
  );
  return counts.map((count) =>
    linePlot(
      curves(
        saes,
        ({ perturbations }) => perturbations.find((each) => each.count === count)?.score ?? NaN,
      ),
      {
        name: `perturbation_n${count}`,
        title: `Targeted probe perturbation, ${count} latents`,
        description: `Score of ablating ${count} latents per class against dictionary size.`,
        ...{ ...sizeAxis(sizes), yLabel: "score" },
      },
    )
  );
}

/** One curve per architecture, SAEs of one size at their mean. */
function curves(
  saes: ProbeStudy["saes"],
  y: (sae: ProbeStudy["saes"][number]) => number,
): LineSeries[] {
  return meanCurves(saes, {
    label: ({ architecture }) => architecture,
    same: ({ dictSize }) => String(dictSize),
    x: ({ dictSize }) => dictSize,
    y,
  }).map((curve) => ({ ...curve, colour: architectureColour(curve.label) }));
}

/** Mean over classes. */
function accuracy(probes: readonly { correct: number; tested: number }[]): number {
  return mean(probes.map(({ correct, tested }) => correct / tested));
}

/**
 * "0.912 (0.89–0.93)": the mean over classes and its 95 % interval, Wilson's with as many tests as give a share the
 * variance of that mean, C² / Σ 1/n_c.
 */
function withInterval(probes: readonly { correct: number; tested: number }[]): string {
  const tests = probes.length ** 2 / probes.reduce((sum, { tested }) => sum + 1 / tested, 0);
  const { low, high } = scoreInterval(accuracy(probes), tests);
  return `${accuracy(probes).toFixed(3)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** The results of probes as text files, by their paths: two tables, figures, a report. */
export async function probeFiles(about: ProbeReport): Promise<Record<string, string>> {
  const { study } = about;
  return {
    ...await plotFiles([...probePlots(study), ...perturbationPlots(study)]),
    "probes.csv": csv(probeRows(study), PROBE_COLUMNS),
    ...(study.sets.length > 1 ? { "perturbation.csv": csv(perturbationRows(study)) } : {}),
    "report.html": await report(about),
  };
}

const PROBE_COLUMNS = [
  ...["name", "architecture", "dictSize", "label", "k", "accuracy", "low", "high"],
  ...["correct", "tested", "features"],
];

function probeRows({ saes, channels, residual }: ProbeStudy): object[] {
  return [
    ...saes.flatMap(({ name, architecture, dictSize, probes }) =>
      probes.map((probe) => ({ name, architecture, dictSize, ...probe }))
    ),
    ...channels.map((probe) => ({ name: "residual channels", ...probe })),
    ...residual.map((probe) => ({ name: "whole residual stream", ...probe })),
  ].map((row) => {
    const { low, high } = wilsonInterval(row.correct, row.tested);
    const features = "features" in row ? [...row.features].join(" ") : "";
    return { ...row, accuracy: row.correct / row.tested, low, high, features };
  });
}

function perturbationRows({ saes }: ProbeStudy): object[] {
  return saes.flatMap(({ name, architecture, dictSize, perturbations }) =>
    perturbations.map(({ count, score, printedScore }) => ({
      ...{ name, architecture, dictSize, count, score, printedScore },
    }))
  );
}

async function report(
  { date, device, model, data, study, settings }: ProbeReport,
): Promise<string> {
  const { saes, channels, residual, sets } = study;
  const ks = distinct(channels.map(({ k }) => k));
  const row = (name: string, probes: typeof channels) => [
    name,
    ...ks.map((k) => withInterval(probes.filter((probe) => probe.k === k))),
  ];
  const counts = saes[0].perturbations.map(({ count }) => count);
  return page(`Probes on ${data}`, [`${model.id} at ${model.hook}`, device, date], [
    section(
      "By dictionary size",
      await figureGrid(probePlots(study)),
    ),
    section(
      "Accuracy",
      table(
        "Mean accuracy over classes, with its 95 % interval; chance is 0.5. Features are chosen and " +
          "probes trained on other texts than those of the tests",
        ["Features", ...ks.map((k) => `k = ${k}`)],
        [
          ...saes.map(({ name, probes }) => row(name, probes)),
          row("residual channels", channels),
        ],
      ),
      paragraph(`Probes on the whole residual stream: ${withInterval(residual)}.`),
    ),
    section(
      "Targeted perturbation",
      await figureGrid(perturbationPlots(study)),
      table(
        "SAEBench's score by the number of latents ablated per class: how much more the class's own " +
          "probe loses than the others do",
        ["SAE", ...counts.map(String)],
        counts.length === 0 ? [] : saes.map(({ name, perturbations }) => [
          name,
          ...perturbations.map(({ score }) => score.toFixed(3)),
        ]),
      ),
    ),
    section(
      "Classes",
      table(
        "Texts that the probe of each class is trained and tested on, half of them of the class",
        ["Class", "Training", "Tests", "Whole residual stream"],
        sets.map(({ label, train, test }, i) => [
          ...[label, formatNumber(train.length), formatNumber(test.length)],
          (residual[i].correct / residual[i].tested).toFixed(3),
        ]),
      ),
    ),
    section("Settings", settingsTable(settings)),
  ]);
}
