import { stringify } from "@std/csv";
import type { ProbeStudy } from "../interpretation/study_probes.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "../format_number.ts";
import { scoreInterval, wilsonInterval } from "../claims/intervals.ts";
import { architectureColour, QUIET } from "./legend.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";
import { figureGrid, page, paragraph, section, settingsTable, table } from "./page.ts";
import { distinct } from "../sweep/equal_l0.ts";
import { mean } from "../mean.ts";

/** What a report on probes tells. */
export interface ProbeReport {
  /** When it ran, as the reader should see it. */
  date: string;
  /** Name of the device that it ran on. */
  device: string;
  /** The language model and the hook. */
  model: { id: string; hook: string };
  /** Name of the labelled texts. */
  data: string;
  /** What was found. */
  study: ProbeStudy;
  /** What else the reader should know, shown as it is. */
  settings: Record<string, unknown>;
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
      xLabel: "dictionary size",
      yLabel: "accuracy",
      xTicks: sizes,
      ...{ logX: true, fromZero: false, dots: true },
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
        xLabel: "dictionary size",
        yLabel: "score",
        xTicks: sizes,
        ...{ logX: true, dots: true },
      },
    )
  );
}

/** One curve per architecture, SAEs of one size at their mean. */
function curves(
  saes: ProbeStudy["saes"],
  value: (sae: ProbeStudy["saes"][number]) => number,
): LineSeries[] {
  return [...Map.groupBy(saes, ({ architecture }) => architecture)].map(([architecture, own]) => {
    const sizes = distinct(own.map(({ dictSize }) => dictSize));
    const means = sizes.map((size) => mean(own.filter((sae) => sae.dictSize === size).map(value)));
    return { label: architecture, colour: architectureColour(architecture), x: sizes, y: means };
  });
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
  const plots = await Promise.all([...probePlots(study), ...perturbationPlots(study)]);
  return {
    ...Object.fromEntries(plots.map(({ name, svg }) => [`plots/${name}.svg`, svg])),
    "probes.csv": probeTable(study),
    ...(study.sets.length > 1 ? { "perturbation.csv": perturbationTable(study) } : {}),
    "report.html": await report(about, plots),
  };
}

function probeTable({ saes, channels, residual }: ProbeStudy): string {
  const rows = [
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
  return stringify(rows as Record<string, unknown>[], {
    columns: [
      ...["name", "architecture", "dictSize", "label", "k", "accuracy", "low", "high"],
      ...["correct", "tested", "features"],
    ],
  });
}

function perturbationTable({ saes }: ProbeStudy): string {
  const rows = saes.flatMap(({ name, architecture, dictSize, perturbations }) =>
    perturbations.map(({ count, score, printedScore }) => ({
      ...{ name, architecture, dictSize, count, score, printedScore },
    }))
  );
  return stringify(rows, {
    columns: ["name", "architecture", "dictSize", "count", "score", "printedScore"],
  });
}

async function report(
  { date, device, model, data, study, settings }: ProbeReport,
  plots: readonly Figure[],
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
      await figureGrid(plots.filter(({ name }) => name.startsWith("probes"))),
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
      await figureGrid(plots.filter(({ name }) => name.startsWith("perturbation"))),
      table(
        "SAEBench's score by the number of latents ablated per class: how much more the class's own " +
          "probe loses than the others do",
        counts.length > 0 ? ["SAE", ...counts.map(String)] : [],
        counts.length > 0
          ? saes.map(({ name, perturbations }) => [
            name,
            ...perturbations.map(({ score }) => score.toFixed(3)),
          ])
          : [],
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
