import {
  askToChoose,
  type Chat,
  type ChoiceTest,
  chooseByWords,
  type Dashboards,
  explainLatents,
  explainMetaLatents,
  labelLatents,
  labelMetaLatents,
  type MetaExplanation,
  type QuestionPlan,
  type ScoredExplanation,
  type ScoredLabel,
  studyChoices,
  type TokenCounts,
} from "../lib/interpretation/mod.ts";
import type { Decomposition } from "../lib/meta/mod.ts";
import type { Progress } from "../mod.ts";
import type { Arguments } from "./options.ts";
import type { Output } from "./output.ts";

/** What is explained. */
export interface Subject {
  dashboards: Dashboards;
  latents: Uint32Array;
  background: TokenCounts;
  /** With a meta-SAE. */
  decomposition?: Decomposition;
  /** Multiple-choice questions at most; none where it is not given. */
  choices?: number;
  /** Texts of either kind that test an explanation. */
  tests: number;
  seed: number;
}

/** What was found by one way of putting latents into words. */
export interface Study<Explained extends ScoredExplanation = ScoredExplanation> {
  latents: Explained[];
  metaLatents: MetaExplanation[];
  choices: ChoiceTest[];
  /** Labels from tokens, tested by the model's answers. */
  labels?: ScoredExplanation[];
}

/** Labels from tokens: nothing is asked. */
export async function studyByTokens(
  { dashboards, latents, background, decomposition, choices, tests, seed }: Subject,
  output: Output,
): Promise<Study<ScoredLabel>> {
  const labels = labelLatents(dashboards, latents, background, { seed, texts: tests });
  if (!decomposition) return { latents: labels, metaLatents: [], choices: [] };
  const texts = textsOf(labels);
  const metaLatents = labelMetaLatents(decomposition, dashboards, texts, background, { seed });
  const chosen = await tryChoices(
    choices,
    output,
    (count) => studyChoices(decomposition, texts, metaLatents, chooseByWords(), { count, seed }),
  );
  return { latents: labels, metaLatents, choices: chosen };
}

/** How a model is asked. */
export interface Asked {
  /** Its name. */
  source: string;
  /** Contexts of either kind in a prompt. */
  shown: number;
  /** Whether explanations are tested. */
  scores: boolean;
  /** Labels from tokens that are tested too. */
  labels?: Study;
}

/** Explanations by a model, or by one that only counts what is asked. */
export async function studyByModel(
  chat: Chat,
  { dashboards, latents, decomposition, choices, tests, seed }: Subject,
  { source, shown, scores, labels }: Asked,
  output: Output,
  onProgress: (progress: Progress) => void,
): Promise<Study> {
  const score = scores ? { texts: tests } : false;
  const explain = { top: shown, sampled: shown, seed };
  const explained = await explainLatents(chat, dashboards, latents, {
    ...{ source, score, explain, onProgress },
  });
  const tested = labels && await explainLatents(chat, dashboards, latents, {
    ...{ source: "tokens", score, explain, texts: textsOf(labels.latents) },
    onProgress: ({ done, total }) => onProgress({ phase: "testing labels", done, total }),
  });
  if (!decomposition) return { latents: explained, metaLatents: [], choices: [], labels: tested };
  const texts = textsOf(explained);
  const metaLatents = await explainMetaLatents(chat, decomposition, dashboards, texts, {
    ...{ source, seed, onProgress },
  });
  onProgress({ phase: "multiple choice", done: 0 });
  const chosen = await tryChoices(
    choices,
    output,
    (count) => studyChoices(decomposition, texts, metaLatents, askToChoose(chat), { count, seed }),
  );
  return { latents: explained, metaLatents, choices: chosen, labels: tested };
}

/** Says what questions will cost. */
export function sayPlan(
  { questions, known, promptTokens, answerTokens }: QuestionPlan,
  options: Arguments,
  output: Output,
): Record<string, unknown> {
  const [priceIn, priceOut] = [options.number("price-in"), options.number("price-out")];
  const cost = priceIn === undefined && priceOut === undefined
    ? undefined
    : (promptTokens * (priceIn ?? 0) + answerTokens * (priceOut ?? 0)) / 1e6;
  const number = (value: number) => value.toLocaleString("en-US");
  const host = new URL(options.required("endpoint")).host;
  output.say(
    `${options.text("explainer")} at ${host}: ${number(questions)} questions, ${
      number(known)
    } of them ` +
      `answered already; for the others some ${
        number(promptTokens)
      } tokens of prompts, and at most ` +
      `${number(answerTokens)} of answers` +
      (cost === undefined ? "" : `; that costs ${cost.toPrecision(2)} at most`),
  );
  return { questions, known, promptTokens, answerTokens, cost };
}

/** Texts by latent. */
function textsOf(explanations: readonly ScoredExplanation[]): Map<number, string> {
  return new Map(explanations.map(({ latent, text }) => [latent, text]));
}

async function tryChoices(
  count: number | undefined,
  output: Output,
  study: (count: number) => Promise<ChoiceTest[]>,
): Promise<ChoiceTest[]> {
  if (count === undefined) return [];
  try {
    return await study(count);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    output.warn(`no multiple choice: ${error.message}`, { warning: "no multiple choice" });
    return [];
  }
}
