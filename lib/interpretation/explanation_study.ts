import type { Decomposition } from "../meta/decompose.ts";
import type { Progress } from "../progress.ts";
import type { Chat } from "./chat.ts";
import type { Dashboards } from "./dashboards.ts";
import {
  explainMetaLatents,
  labelMetaLatents,
  type MetaExplanation,
} from "./explain_meta_latents.ts";
import { askToChoose, chooseByWords } from "./multiple_choice.ts";
import { type ChoiceTest, studyChoices } from "./study_choices.ts";
import {
  explainLatents,
  labelLatents,
  type ScoredExplanation,
  type ScoredLabel,
} from "./study_explanations.ts";
import type { TokenCounts } from "./token_label.ts";

/** What is explained, and how it is tested. */
export interface ExplanationSubject {
  /** Contexts of the latents. */
  dashboards: Dashboards;
  /** The latents. */
  latents: Uint32Array;
  /** Tokens of the whole text, which labels from tokens are compared with. */
  background: TokenCounts;
  /** Of a meta-SAE, whose meta-latents are explained too. */
  decomposition?: Decomposition;
  /** Largest number of multiple-choice questions; none if not given. Needs `decomposition`. */
  choices?: number;
  /** Texts of either kind that test an explanation. */
  tests: number;
  /** Seed of which contexts are kept for tests. */
  seed: number;
}

/** What was found by one way of explaining latents. */
export interface ExplanationStudy<Explained extends ScoredExplanation = ScoredExplanation> {
  /** Explanations of latents, with their scores. */
  latents: Explained[];
  /** Explanations of meta-latents; empty without a meta-SAE. */
  metaLatents: MetaExplanation[];
  /** Tests by multiple choice; empty where none were asked for. */
  choices: ChoiceTest[];
  /** Why there are no tests by multiple choice though they were asked for. */
  noChoices?: string;
  /** Labels from tokens, tested by the model's answers. */
  labels?: ScoredExplanation[];
}

/**
 * Labels from tokens, tested by their tokens; no model is asked.
 *
 * @example
 * ```ts ignore
 * const dashboards = await collectDashboards(device, model, sae, tokenRows);
 * const { latents } = await studyByTokens({
 *   ...{ dashboards, latents: dashboards.latents, tests: 10, seed: 0 },
 *   background: countTokenRows(model, tokenRows),
 * });
 * ```
 */
export async function studyByTokens(
  { dashboards, latents, background, decomposition, choices, tests, seed }: ExplanationSubject,
): Promise<ExplanationStudy<ScoredLabel>> {
  const labels = labelLatents(dashboards, latents, background, { seed, texts: tests });
  if (!decomposition) return { latents: labels, metaLatents: [], choices: [] };
  const texts = textsOf(labels);
  const metaLatents = labelMetaLatents(decomposition, dashboards, texts, background, { seed });
  const chosen = await tryChoices(
    choices,
    (count) => studyChoices(decomposition, texts, metaLatents, chooseByWords(), { count, seed }),
  );
  return { latents: labels, metaLatents, ...chosen };
}

/** How a model is asked. */
export interface ModelQuestions {
  /** Its name. */
  source: string;
  /** Contexts of largest activation, and as many samples, in a prompt. */
  shown: number;
  /** Whether explanations are tested. */
  scores: boolean;
  /** Labels from tokens that are tested by the same questions too. */
  labels?: ExplanationStudy;
  /** Called before each question's answer is there. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Explanations by a model, tested by its answers.
 *
 * @param chat The model, or the counter of `rehearse`, which only counts what would be asked.
 */
export async function studyByModel(
  chat: Chat,
  { dashboards, latents, decomposition, choices, tests, seed }: ExplanationSubject,
  { source, shown, scores, labels, onProgress }: ModelQuestions,
): Promise<ExplanationStudy> {
  const score = scores ? { texts: tests } : false;
  const explain = { top: shown, sampled: shown, seed };
  const explained = await explainLatents(chat, dashboards, latents, {
    ...{ source, score, explain, onProgress },
  });
  const tested = labels && await explainLatents(chat, dashboards, latents, {
    ...{ source: "tokens", score, explain, texts: textsOf(labels.latents) },
    onProgress: ({ done, total }) => onProgress?.({ phase: "testing labels", done, total }),
  });
  if (!decomposition) return { latents: explained, metaLatents: [], choices: [], labels: tested };
  const texts = textsOf(explained);
  const metaLatents = await explainMetaLatents(chat, decomposition, dashboards, texts, {
    ...{ source, seed, onProgress },
  });
  onProgress?.({ phase: "multiple choice", done: 0 });
  const chosen = await tryChoices(
    choices,
    (count) => studyChoices(decomposition, texts, metaLatents, askToChoose(chat), { count, seed }),
  );
  return { latents: explained, metaLatents, ...chosen, labels: tested };
}

/** Texts by latent. */
function textsOf(explanations: readonly ScoredExplanation[]): Map<number, string> {
  return new Map(explanations.map(({ latent, text }) => [latent, text]));
}

/** Too few latents have words, or share a meta-latent, for a question: that is a finding, no error. */
async function tryChoices(
  count: number | undefined,
  study: (count: number) => Promise<ChoiceTest[]>,
): Promise<Pick<ExplanationStudy, "choices" | "noChoices">> {
  if (count === undefined) return { choices: [] };
  try {
    return { choices: await study(count) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { choices: [], noChoices: error.message };
  }
}
