import type { Progress } from "../progress.ts";
import { type Chat, ChatError } from "./chat.ts";
import type { Dashboards } from "./dashboards.ts";
import { explainingHalf } from "./example_text.ts";
import { explainLatent, type ExplainOptions, type Explanation } from "./explain_latents.ts";
import { mapPooled } from "./map_pooled.ts";
import {
  countScore,
  detectionCases,
  detectionQuestions,
  type ExplanationScore,
  fuzzingCases,
  fuzzingQuestions,
  scoreExplanation,
  type ScoreOptions,
  tellByTokens,
} from "./score_explanation.ts";
import { type TokenCounts, type TokenLabel, tokenLabel } from "./token_label.ts";

/** Latents in work at a time: more than questions that are open, so that the endpoint never waits. */
const AT_ONCE = 16;
/** Stretches without activation that are looked at per text: some are of rows that are left out. */
const SPARE = 2;

/** An explanation, and how well it does. */
export interface ScoredExplanation extends Explanation {
  /** Where it comes from: "tokens" for a statistic of tokens, or the name of a model. */
  source: string;
  /** Contexts of the latent told from texts in which it is inactive; absent where nothing was asked. */
  detection?: ExplanationScore;
  /** Its own tokens told from others. */
  fuzzing?: ExplanationScore;
  /** Why there is no text, where the endpoint failed for this latent alone. */
  problem?: string;
}

/** Options of {@linkcode explainLatents}. */
export interface ExplainLatentsOptions {
  /** Name of the model that answers. */
  source: string;
  /** What explanations are made from. */
  explain?: ExplainOptions;
  /** How they are scored, or false for no scores. */
  score?: Omit<ScoreOptions, "seed"> | false;
  /** Explanations that exist: only scores are asked for. */
  texts?: ReadonlyMap<number, string>;
  /** Called after each latent. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Asks a model what latents stand for, and scores its explanations by detection and fuzzing, on contexts of rows
 * that it has not seen.
 *
 * @param dashboards The latents' contexts, from `collectDashboards`.
 * @returns One explanation per latent, in the order of `latents`.
 * @throws {ChatError} The endpoint fails for all questions. What failed for one latent is in its `problem`.
 */
export function explainLatents(
  chat: Chat,
  dashboards: Pick<Dashboards, "read" | "inactive">,
  latents: ArrayLike<number>,
  { source, explain = {}, score = {}, texts, onProgress }: ExplainLatentsOptions,
): Promise<ScoredExplanation[]> {
  let done = 0;
  const { seed = 0 } = explain;
  return mapPooled(Array.from(latents), AT_ONCE, async (latent) => {
    const dashboard = dashboards.read(latent);
    const found: ScoredExplanation = { latent, text: texts?.get(latent) ?? "", source };
    try {
      if (!texts) found.text = (await explainLatent(chat, dashboard, explain)).text;
    } catch (error) {
      if (!(error instanceof ChatError && error.onlyThis)) throw error;
      found.problem = error.message;
    }
    if (score !== false && found.text !== "") {
      const options = { ...score, seed };
      const inactive = dashboards.inactive(latent, SPARE * (score.texts ?? 10));
      const [detection, fuzzing] = await Promise.all([
        scoreExplanation(chat, detectionQuestions(found.text, dashboard, inactive, options)),
        scoreExplanation(chat, fuzzingQuestions(found.text, dashboard, options)),
      ]);
      Object.assign(found, { detection, fuzzing });
    }
    onProgress?.({ phase: "explaining latents", done: ++done, total: latents.length });
    return found;
  });
}

/** A label from tokens, and how well its tokens tell texts. */
export interface ScoredLabel extends ScoredExplanation {
  /** The label. */
  label: TokenLabel;
}

/**
 * Labels latents by the tokens of the contexts that explanations are made from, and scores the labels on the others
 * without a model: a text is said to be the latent's where one of the label's tokens is in it.
 *
 * @param background Tokens of the texts: what labels are told from.
 */
export function labelLatents(
  dashboards: Pick<Dashboards, "read" | "inactive">,
  latents: ArrayLike<number>,
  background: TokenCounts,
  options: ScoreOptions = {},
): ScoredLabel[] {
  const { seed = 0, texts = 10 } = options;
  return Array.from(latents, (latent) => {
    const dashboard = dashboards.read(latent);
    const label = tokenLabel(explainingHalf(dashboard, seed), background);
    const found = { latent, text: label.text, source: "tokens", label };
    if (label.text === "") return found;
    const inactive = dashboards.inactive(latent, SPARE * texts);
    const [detection, fuzzing] = [
      detectionCases(dashboard, inactive, options),
      fuzzingCases(dashboard, options),
    ].map((cases) =>
      countScore(cases.map((each) => ({ right: each.right, said: tellByTokens(label, each) })))
    );
    return { ...found, detection, fuzzing };
  });
}
