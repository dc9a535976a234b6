import { wilsonInterval } from "../claims/intervals.ts";
import type { ExplanationStudy } from "./explanation_study.ts";
import type { ScoredExplanation } from "./study_explanations.ts";

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
        explanations: latents[0].source,
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
