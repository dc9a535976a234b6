import type { MetaSummary } from "../report/meta_files.ts";
import { formatNumber } from "../format_number.ts";
import type { Claim } from "../claims/verdict.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";
import { drawLine, type FigureData, layAxis } from "./figure_data.ts";
import { lastPart, readJson, readTable, type ResultFolder } from "./result_folder.ts";

/** Content of `results.json` of a site: results about an SAE as a whole. */
export interface SaeResults {
  /** Names of the folders that the results come from. */
  from: string[];
  /** Name and value of each measure. */
  measures: [name: string, value: string][];
  /** Claims of the paper with verdicts. */
  claims: { title: string; warnings: string[]; claims: Claim[] }[];
  /** Curves of its training. */
  figures: FigureData[];
  /** Further figures. */
  pictures: { file: string; title: string }[];
}

/** Empty results. */
export const noResults = (): SaeResults => ({
  ...{ from: [], measures: [], claims: [], figures: [], pictures: [] },
});

/** Adds a training run: its measures on held-out text, if any, and its curves. */
export async function addTraining(results: SaeResults, folder: ResultFolder): Promise<void> {
  results.from.push(lastPart(folder));
  if (folder.files.includes("evaluation.json")) {
    const evaluation = await readJson(folder, "evaluation.json");
    results.measures.push(...measuresOf({ ...evaluation, ...ofCrossEntropy(evaluation) }));
  }
  if (folder.files.includes("metrics.csv")) await addCurves(results, folder, "metrics.csv");
}

/** Adds the row and the curves of an SAE of a sweep. */
export async function addSweptSae(
  results: SaeResults,
  folder: ResultFolder,
  row: SweepRow,
): Promise<void> {
  results.from.push(`${lastPart(folder)}/${row.name}`);
  results.measures.push(...measuresOf({ ...row }));
  const metrics = `${row.name}/metrics.csv`;
  if (folder.files.includes(metrics)) await addCurves(results, folder, metrics);
}

/** Adds a decomposition by a meta-SAE: measures and claims of section 5. */
export function addMeta(
  results: SaeResults,
  folder: ResultFolder,
  { measures, claims, warnings }: MetaSummary,
): void {
  results.from.push(lastPart(folder));
  results.measures.push(
    ["meta-latents", String(measures.metaLatents)],
    ["decoder rows explained by meta-latents", percent(measures.explainedVariance)],
    ["meta-latents per latent", measures.l0.toFixed(2)],
  );
  results.claims.push({ title: "Claims of section 5", warnings, claims });
}

function ofCrossEntropy(
  { crossEntropy = {} }: { crossEntropy?: Record<string, number> },
): Record<string, unknown> {
  const { clean, spliced, degradation, recoveredFromZero, klDivScore } = crossEntropy;
  return {
    ...{ ceClean: clean, ceSpliced: spliced, ceDegradation: degradation },
    ...{ ceRecoveredFromZero: recoveredFromZero, klDivScore },
  };
}

const plain = (value: number): string => formatNumber(Number(value.toPrecision(4)));
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

const MEASURES: [key: string, name: string, format: (value: number) => string][] = [
  ["nmse", "NMSE", plain],
  ["explainedVariance", "explained variance", percent],
  ["l0", "L0", plain],
  ["mse", "MSE (Σ over d)", plain],
  ["deadLatents", "latents never active", String],
  ["ceClean", "cross-entropy, clean", plain],
  ["ceSpliced", "cross-entropy, spliced", plain],
  ["ceDegradation", "CE degradation (nats per token)", plain],
  ["ceRecoveredFromZero", "CE recovered, from zero", percent],
  ["klDivScore", "KL score", percent],
  ["l2Ratio", "L2 ratio", plain],
  ["cossim", "cosine similarity", plain],
  ["samples", "held-out samples", plain],
];

function measuresOf(values: Record<string, unknown>): [string, string][] {
  return MEASURES.flatMap(([key, name, format]): [string, string][] => {
    const value = values[key];
    return typeof value === "number" && Number.isFinite(value) ? [[name, format(value)]] : [];
  });
}

const CURVES: [column: string, title: string, label: string, log: boolean][] = [
  ["loss", "Loss in training", "loss, mean over samples and d", true],
  ["l0", "L0 in training", "active latents per sample", false],
  ["deadLatents", "Dead latents in training", "latents", false],
];

async function addCurves(results: SaeResults, folder: ResultFolder, file: string): Promise<void> {
  const rows = await readTable(folder, file);
  if (rows.length < 2) return;
  for (const [column, title, label, log] of CURVES) {
    const values = rows.map((row) => [Number(row.step), Number(row[column])] as const)
      .filter(([step, value]) => Number.isFinite(step) && (log ? value > 0 : value >= 0));
    if (values.length < 2) continue;
    const x = layAxis("step", values.map(([step]) => step));
    const y = layAxis(label, values.map(([, value]) => value), { log });
    const line = drawLine(x, y, values, { label: title, colour: 0 });
    results.figures.push({ title, x: x.axis, y: y.axis, lines: [line] });
  }
}
