import { explanationLines } from "../lib/formats/explanation_file.ts";
import type { ExplanationScore, ScoredExplanation } from "../lib/interpretation/mod.ts";
import { csv } from "../lib/report/files.ts";
import { wilsonInterval } from "../lib/report/intervals.ts";
import type { Study } from "./explanation_study.ts";
import { formatTable, type Output } from "./output.ts";

/** What `saewing explain` found, and of what. */
export interface Findings {
  sae: string;
  text: string;
  model: { id: string; hook: string };
  seed: number;
  /** Samples that contexts are from. */
  samples: number;
  /** Questions that went to the endpoint, repetitions included. */
  calls: number;
  byTokens: Study;
  byModel?: Study;
}

/** The files of `saewing explain`, by their names. */
export function explanationFiles(found: Findings): Record<string, string> {
  const { byTokens, byModel, ...about } = found;
  const best = byModel ?? byTokens;
  const files: Record<string, string> = {
    "explanations.jsonl": explanationLines(best.latents),
    "explanations.csv": csv(best.latents.map(row), COLUMNS),
    "summary.json": JSON.stringify({ ...about, ...summaries(byTokens, byModel) }, null, 2) + "\n",
  };
  if (byModel) files["labels.jsonl"] = explanationLines(byModel.labels ?? byTokens.latents);
  if (best.metaLatents.length > 0) {
    const lines = best.metaLatents.map((each) => JSON.stringify(each) + "\n");
    files["meta_explanations.jsonl"] = lines.join("");
    files["meta_explanations.csv"] = csv(best.metaLatents.map((each) => ({
      metaLatent: each.metaLatent,
      text: plainCell(each.text),
      source: plainCell(each.source),
      latents: each.latents.join(" "),
    })));
  }
  const choices = choiceRows(byTokens, byModel);
  if (choices.length > 0) files["multiple_choice.csv"] = csv(choices);
  return files;
}

/** Says the scores, and the answers to multiple choice. */
export function sayFindings(byTokens: Study, byModel: Study | undefined, output: Output): void {
  const parts = [byModel, byTokens].filter((each) => each !== undefined);
  for (const { latents } of parts) {
    const { detection, fuzzing, withText } = summary(latents);
    output.say(
      `${withText} of ${latents.length} latents have words (${
        latents[0].source
      }); balanced accuracy of ` +
        `detection ${share(detection)}, of fuzzing ${share(fuzzing)}`,
    );
  }
  const failed = byModel?.latents.filter(({ problem }) => problem !== undefined) ?? [];
  if (failed.length > 0) {
    const message = `${failed.length} latents have no explanation: ${failed[0].problem}`;
    output.warn(message, { message });
  }
  const rows = choiceRows(byTokens, byModel);
  if (rows.length === 0) return;
  output.say("multiple choice (chance 20 %):");
  output.say(formatTable(rows.map((each): [string, string] => [
    `${each.explanations}, control: ${each.control}`,
    `${each.right} of ${each.asked} right (${share(each.low)} to ${share(each.high)})`,
  ])));
}

const COLUMNS = [
  ...["latent", "text", "source", "detection", "detection_f1", "detection_unanswered"],
  ...["fuzzing", "fuzzing_f1", "fuzzing_unanswered", "problem"],
];

function row({ latent, text, source, detection, fuzzing, problem }: ScoredExplanation) {
  return {
    ...{ latent, text: plainCell(text), source: plainCell(source) },
    detection: detection?.balancedAccuracy,
    detection_f1: detection?.f1,
    detection_unanswered: detection?.unanswered,
    fuzzing: fuzzing?.balancedAccuracy,
    fuzzing_f1: fuzzing?.f1,
    fuzzing_unanswered: fuzzing?.unanswered,
    problem: plainCell(problem ?? ""),
  };
}

/** Spreadsheets run what begins like a formula; a quote in front makes it text. */
function plainCell(text: string): string {
  return /^[=+\-@\t]/.test(text) ? `'${text}` : text;
}

interface ChoiceRow {
  explanations: string;
  control: string;
  asked: number;
  right: number;
  unanswered: number;
  accuracy: number;
  low: number;
  high: number;
  chance: number;
}

function choiceRows(byTokens: Study, byModel: Study | undefined): ChoiceRow[] {
  return [byModel, byTokens].filter((each) => each !== undefined).flatMap(({ choices, latents }) =>
    choices.map(({ control, chance, ...score }) => ({
      explanations: plainCell(latents[0].source),
      ...{ control, ...score, ...wilsonInterval(score.right, score.asked), chance },
    }))
  );
}

function summaries(byTokens: Study, byModel: Study | undefined) {
  return {
    ...(byModel ? { explanations: summary(byModel.latents) } : {}),
    ...(byModel?.labels ? { labelsByModel: summary(byModel.labels) } : {}),
    labels: summary(byTokens.latents),
    multipleChoice: choiceRows(byTokens, byModel),
  };
}

function summary(latents: readonly ScoredExplanation[]) {
  const mean = (which: "detection" | "fuzzing", of: (score: ExplanationScore) => number) => {
    const values = latents.flatMap((each) => each[which] ? [of(each[which])] : [])
      .filter(Number.isFinite);
    return values.length === 0 ? null : values.reduce((a, b) => a + b) / values.length;
  };
  const unanswered = (which: "detection" | "fuzzing") =>
    latents.reduce((sum, each) => sum + (each[which]?.unanswered ?? 0), 0);
  return {
    source: latents[0].source,
    latents: latents.length,
    withText: latents.filter(({ text }) => text !== "").length,
    detection: mean("detection", ({ balancedAccuracy }) => balancedAccuracy),
    fuzzing: mean("fuzzing", ({ balancedAccuracy }) => balancedAccuracy),
    unanswered: { detection: unanswered("detection"), fuzzing: unanswered("fuzzing") },
  };
}

function share(value: number | null): string {
  return value === null ? "not known" : `${(100 * value).toFixed(1)} %`;
}
