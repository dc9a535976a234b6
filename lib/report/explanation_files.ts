import { explanationLines } from "../formats/explanation_file.ts";
import type { ExplanationStudy } from "../interpretation/explanation_study.ts";
import type { ScoredExplanation } from "../interpretation/study_explanations.ts";
import { csv } from "./files.ts";
import { wilsonInterval } from "../claims/intervals.ts";

/** What explanations were found, and of what. */
export interface ExplanationFindings {
  /** The SAE. */
  sae: string;
  /** Name of the text. */
  text: string;
  /** The model that read it, and where in it. */
  model: { id: string; hook: string };
  /** Seed of what is kept for tests. */
  seed: number;
  /** Samples that contexts are from. */
  samples: number;
  /** Questions that went to an endpoint, repetitions included. */
  calls: number;
  /** Labels from tokens. */
  byTokens: ExplanationStudy;
  /** Explanations by a model. */
  byModel?: ExplanationStudy;
}

/**
 * Files of explanations, by their names: explanations.jsonl and .csv, summary.json, and as far as there are
 * any, labels.jsonl, meta_explanations.jsonl and .csv, multiple_choice.csv.
 */
export function explanationFiles(found: ExplanationFindings): Record<string, string> {
  const { byTokens, byModel, ...about } = found;
  const best = byModel ?? byTokens;
  const summary = explanationSummary(byTokens, byModel);
  const files: Record<string, string> = {
    "explanations.jsonl": explanationLines(best.latents),
    "explanations.csv": csv(best.latents.map(row), COLUMNS),
    "summary.json": JSON.stringify({ ...about, ...summary }, null, 2) + "\n",
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
  if (summary.multipleChoice.length > 0) {
    files["multiple_choice.csv"] = csv(summary.multipleChoice);
  }
  return files;
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

/** Answers to multiple choice about one kind of explanations, under one control. */
export interface ChoiceRow {
  /** Whose explanations: "tokens" or a model's name. */
  explanations: string;
  /** What was changed in the questions, if anything. */
  control: string;
  /** Questions asked. */
  asked: number;
  /** Those answered right. */
  right: number;
  /** Those not answered; they count as wrong. */
  unanswered: number;
  /** right / asked. */
  accuracy: number;
  /** Wilson's 95 % interval of it, lower end. */
  low: number;
  /** Its upper end. */
  high: number;
  /** What guessing gives. */
  chance: number;
}

/** Means over explained latents; null where nothing was tested. */
export interface ExplanationMeans {
  /** "tokens" or a model's name. */
  source: string;
  /** Latents. */
  latents: number;
  /** Those whose explanation has words. */
  withText: number;
  /** Mean balanced accuracy of detection. */
  detection: number | null;
  /** Mean balanced accuracy of fuzzing. */
  fuzzing: number | null;
  /** Test texts without an answer. */
  unanswered: { detection: number; fuzzing: number };
}

/** What all explanations together come to. */
export interface ExplanationSummary {
  /** A model's explanations. */
  explanations?: ExplanationMeans;
  /** Labels from tokens, tested by the model's answers. */
  labelsByModel?: ExplanationMeans;
  /** Labels from tokens, tested by their tokens. */
  labels: ExplanationMeans;
  /** Multiple choice. */
  multipleChoice: ChoiceRow[];
}

/** Mean scores of explanations and their answers to multiple choice. */
export function explanationSummary(
  byTokens: ExplanationStudy,
  byModel: ExplanationStudy | undefined,
): ExplanationSummary {
  const studies = [byModel, byTokens].filter((each) => each !== undefined);
  return {
    ...(byModel ? { explanations: meansOf(byModel.latents) } : {}),
    ...(byModel?.labels ? { labelsByModel: meansOf(byModel.labels) } : {}),
    labels: meansOf(byTokens.latents),
    multipleChoice: studies.flatMap(({ choices, latents }) =>
      choices.map(({ control, chance, ...score }) => ({
        explanations: plainCell(latents[0].source),
        ...{ control, ...score, ...wilsonInterval(score.right, score.asked), chance },
      }))
    ),
  };
}

function meansOf(latents: readonly ScoredExplanation[]): ExplanationMeans {
  const mean = (which: "detection" | "fuzzing") => {
    const values = latents.flatMap((each) => each[which]?.balancedAccuracy ?? [])
      .filter(Number.isFinite);
    return values.length === 0 ? null : values.reduce((a, b) => a + b) / values.length;
  };
  const unanswered = (which: "detection" | "fuzzing") =>
    latents.reduce((sum, each) => sum + (each[which]?.unanswered ?? 0), 0);
  return {
    source: latents[0].source,
    latents: latents.length,
    withText: latents.filter(({ text }) => text !== "").length,
    detection: mean("detection"),
    fuzzing: mean("fuzzing"),
    unanswered: { detection: unanswered("detection"), fuzzing: unanswered("fuzzing") },
  };
}
