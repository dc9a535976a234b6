import { createRandom, randomOrder } from "../random.ts";
import { type Chat, ChatError, type ChatMessage } from "./chat.ts";
import type { LatentDashboard } from "./dashboards.ts";
import { activeTokens, exampleText, splitExamples } from "./example_text.ts";
import type { LatentExample } from "./latent_example.ts";
import type { TokenLabel } from "./token_label.ts";

/** How often a model was right about texts, by an explanation alone. */
export interface ExplanationScore {
  /** Texts that are as they were said to be, and that were called so. */
  truePositive: number;
  /** Texts that are not, and were called so. */
  falsePositive: number;
  /** Texts that are not, and were not called so. */
  trueNegative: number;
  /** Texts that are, and were not called so. */
  falseNegative: number;
  /** Texts to which no usable answer came: they count nowhere else. */
  unanswered: number;
  /** Mean of the shares of positive and of negative texts that were told; 0.5 is chance. NaN without both. */
  balancedAccuracy: number;
  /** Harmonic mean of precision and recall. NaN without positive texts or calls. */
  f1: number;
}

/** Options of {@linkcode scoreExplanation}. */
export interface ScoreOptions {
  /** Texts of either kind (default 10). */
  texts?: number;
  /** Texts per question (default 5). */
  perQuestion?: number;
  /** Seed of what was kept for tests, and of the order (default 0). */
  seed?: number;
}

/** Questions that test an explanation, with the answers that are right. */
export interface ScoreQuestion {
  /** The question. */
  messages: ChatMessage[];
  /** For each text of it whether yes is right. */
  answers: boolean[];
}

const DETECTION =
  `You get a description of a feature inside a language model, and numbered stretches of text.
Say for each text whether it has what the description says: 1 for yes, 0 for no. \
Answer with a list such as [1, 0, 0, 1, 1], one number per text, and with nothing else.`;

const FUZZING =
  `You get a description of a feature inside a language model, and numbered stretches of text with \
tokens between « and ».
Say for each text whether the marked tokens are those that the description fits: 1 for yes, 0 for no. \
Answer with a list such as [1, 0, 0, 1, 1], one number per text, and with nothing else.`;

/** A text that tests an explanation. */
export interface TestCase {
  /** The text. */
  example: LatentExample;
  /** Its tokens that are marked. */
  marked: number[];
  /** Whether it is one of the latent's. */
  right: boolean;
}

/**
 * Texts of detection: contexts of the latent among texts in which it is inactive, of rows that the explanation
 * was not made from.
 *
 * @param inactive Stretches of text without activation, as `Dashboards.inactive` gives them.
 */
export function detectionCases(
  dashboard: LatentDashboard,
  inactive: readonly LatentExample[],
  { texts = 10, seed = 0 }: ScoreOptions = {},
): TestCase[] {
  const positive = testExamples(dashboard, texts, seed);
  const rows = new Set(positive.map(({ row }) => row));
  const negative = inactive.filter(({ row }) => !rows.has(row)).slice(0, positive.length);
  return [
    ...positive.map((example) => ({ example, marked: [], right: true })),
    ...negative.map((example) => ({ example, marked: [], right: false })),
  ];
}

/** Texts of fuzzing: contexts of the latent in which its own tokens are marked, or as many others. */
export function fuzzingCases(
  dashboard: LatentDashboard,
  { texts = 10, seed = 0 }: ScoreOptions = {},
): TestCase[] {
  const random = createRandom(seed + dashboard.latent);
  return testExamples(dashboard, 2 * texts, seed).flatMap((example, i): TestCase[] => {
    const own = activeTokens(example);
    if (i % 2 === 0) return [{ example, marked: own, right: true }];
    const others = Array.from(example.activations.keys())
      .filter((at) => example.activations[at] === 0);
    if (others.length < own.length) return [];
    const order = randomOrder(random, others.length).subarray(0, own.length);
    return [{ example, marked: Array.from(order, (at) => others[at]), right: false }];
  });
}

/** Questions of detection, for {@linkcode detectionCases}. */
export function detectionQuestions(
  text: string,
  dashboard: LatentDashboard,
  inactive: readonly LatentExample[],
  options: ScoreOptions = {},
): ScoreQuestion[] {
  return questions(DETECTION, text, detectionCases(dashboard, inactive, options), {
    ...options,
    seed: (options.seed ?? 0) + dashboard.latent,
  });
}

/** Questions of fuzzing, for {@linkcode fuzzingCases}. */
export function fuzzingQuestions(
  text: string,
  dashboard: LatentDashboard,
  options: ScoreOptions = {},
): ScoreQuestion[] {
  return questions(FUZZING, text, fuzzingCases(dashboard, options), {
    ...options,
    seed: (options.seed ?? 0) + dashboard.latent,
  });
}

/**
 * Asks questions and counts the right answers. An answer that is no list of as many zeros and ones as there are
 * texts counts as none, and so does a question that alone got none.
 */
export async function scoreExplanation(
  chat: Chat,
  asked: readonly ScoreQuestion[],
): Promise<ExplanationScore> {
  const given = await Promise.all(asked.map(async ({ messages, answers }) => {
    try {
      return readList(await chat.ask(messages), answers.length);
    } catch (error) {
      if (error instanceof ChatError && error.onlyThis) return undefined;
      throw error;
    }
  }));
  return countScore(
    asked.flatMap(({ answers }, q) => answers.map((right, i) => ({ right, said: given[q]?.[i] }))),
  );
}

/** A score of answers to texts: what was said of each, undefined where nothing was. */
export function countScore(
  answers: readonly { right: boolean; said: boolean | undefined }[],
): ExplanationScore {
  const count = (right: boolean, said: boolean | undefined) =>
    answers.filter((each) => each.right === right && each.said === said).length;
  const [tp, fp] = [count(true, true), count(false, true)];
  const [tn, fn] = [count(false, false), count(true, false)];
  return {
    ...{ truePositive: tp, falsePositive: fp, trueNegative: tn, falseNegative: fn },
    unanswered: answers.filter(({ said }) => said === undefined).length,
    balancedAccuracy: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    f1: 2 * tp / (2 * tp + fp + fn),
  };
}

/**
 * What a label from tokens says of a text, by itself: yes where one of its tokens is there (or before a marked
 * token), or where the marked tokens have one.
 */
export function tellByTokens(
  { tokens, after }: Pick<TokenLabel, "tokens" | "after">,
  { example, marked }: TestCase,
): boolean {
  const places = marked.length === 0
    ? example.tokens.keys()
    : marked.map((at) => after ? at - 1 : at);
  for (const at of places) if (tokens.includes(example.tokens[at])) return true;
  return false;
}

/** The last list of just `length` zeros and ones in a text. */
export function readList(text: string, length: number): boolean[] | undefined {
  const lists = [...text.matchAll(/\[[\s01,]*\]/g)].map(([list]) =>
    list.slice(1, -1).split(",").map((each) => each.trim())
  );
  return lists.findLast((list) =>
    list.length === length && list.every((each) => each === "0" || each === "1")
  )?.map((each) => each === "1");
}

/** Contexts kept for tests: half of them with the largest activations, the rest of all intervals. */
function testExamples(dashboard: LatentDashboard, count: number, seed: number): LatentExample[] {
  const { top, sampled } = splitExamples(dashboard, seed).testing;
  const all = [...top.slice(0, Math.ceil(count / 2)), ...sampled, ...top];
  const byPlace = new Map(all.map((example) => [`${example.row}:${example.position}`, example]));
  return [...byPlace.values()].slice(0, count);
}

function questions(
  task: string,
  text: string,
  cases: readonly TestCase[],
  { perQuestion = 5, seed = 0 }: ScoreOptions,
): ScoreQuestion[] {
  const order = randomOrder(createRandom(seed), cases.length);
  const asked: ScoreQuestion[] = [];
  for (let first = 0; first < cases.length; first += perQuestion) {
    const part = Array.from(order.subarray(first, first + perQuestion), (i) => cases[i]);
    const list = part.map(({ example, marked }, i) => `${i + 1}. ${exampleText(example, marked)}`);
    asked.push({
      messages: [
        { role: "system", content: task },
        { role: "user", content: `Description: ${text}\n\n${list.join("\n")}` },
      ],
      answers: part.map(({ right }) => right),
    });
  }
  return asked;
}
