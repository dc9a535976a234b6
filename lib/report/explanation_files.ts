import { explanationLines } from "../formats/explanation_file.ts";
import type { ExplanationStudy } from "../interpretation/explanation_study.ts";
import type { ScoredExplanation } from "../interpretation/study_explanations.ts";
import { csv } from "./files.ts";
import { explanationSummary } from "../interpretation/explanation_summary.ts";

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
    files["meta_explanations.csv"] = csv(
      best.metaLatents.map(({ latents, ...each }) => ({ ...each, latents: latents.join(" ") })),
      ["metaLatent", "text", "source", "latents"],
    );
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
    ...{ latent, text, source },
    detection: detection?.balancedAccuracy,
    detection_f1: detection?.f1,
    detection_unanswered: detection?.unanswered,
    fuzzing: fuzzing?.balancedAccuracy,
    fuzzing_f1: fuzzing?.f1,
    fuzzing_unanswered: fuzzing?.unanswered,
    problem,
  };
}
