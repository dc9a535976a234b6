import { createRandom, randomOrder } from "../random.ts";
import type { Chat, ChatMessage } from "./chat.ts";
import type { LatentDashboard } from "./dashboards.ts";
import { activeTokens, exampleText, splitExamples } from "./example_text.ts";
import type { LatentExample } from "./latent_example.ts";

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

/**
 * Questions of detection: contexts of the latent among texts in which it is inactive, of rows that the explanation
 * was not made from.
 *
 * @param inactive Stretches of text without activation, as `Dashboards.inactive` gives them.
 */
export function detectionQuestions(
  text: string,
  dashboard: LatentDashboard,
  inactive: readonly LatentExample[],
  { texts = 10, perQuestion = 5, seed = 0 }: ScoreOptions = {},
): ScoreQuestion[] {
  const positive = testExamples(dashboard, texts, seed);
  const rows = new Set(positive.map(({ row }) => row));
  const negative = inactive.filter(({ row }) => !rows.has(row)).slice(0, positive.length);
  const cases = [
    ...positive.map((example) => ({ shown: exampleText(example), right: true })),
    ...negative.map((example) => ({ shown: exampleText(example), right: false })),
  ];
  return questions(DETECTION, text, cases, perQuestion, seed + dashboard.latent);
}

/** Questions of fuzzing: contexts of the latent in which its own tokens are marked, or as many others. */
export function fuzzingQuestions(
  text: string,
  dashboard: LatentDashboard,
  { texts = 10, perQuestion = 5, seed = 0 }: ScoreOptions = {},
): ScoreQuestion[] {
  const random = createRandom(seed + dashboard.latent);
  const cases = testExamples(dashboard, 2 * texts, seed).flatMap((example, i) => {
    const own = activeTokens(example);
    if (i % 2 === 0) return [{ shown: exampleText(example, own), right: true }];
    const others = Array.from(example.activations.keys())
      .filter((at) => example.activations[at] === 0);
    if (others.length < own.length) return [];
    const order = randomOrder(random, others.length).subarray(0, own.length);
    return [{ shown: exampleText(example, Array.from(order, (at) => others[at])), right: false }];
  });
  return questions(FUZZING, text, cases, perQuestion, seed + dashboard.latent);
}

/**
 * Asks questions and counts the right answers. An answer that is no list of as many zeros and ones as there are
 * texts counts as none.
 */
export async function scoreExplanation(
  chat: Chat,
  asked: readonly ScoreQuestion[],
): Promise<ExplanationScore> {
  const counts = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 };
  let unanswered = 0;
  const answers = await Promise.all(asked.map(({ messages }) => chat.ask(messages)));
  asked.forEach(({ answers: right }, q) => {
    const given = readList(answers[q], right.length);
    if (!given) unanswered += right.length;
    else {
      right.forEach((yes, i) => {
        if (given[i] === yes) counts[yes ? "truePositive" : "trueNegative"]++;
        else counts[yes ? "falseNegative" : "falsePositive"]++;
      });
    }
  });
  const { truePositive: tp, falsePositive: fp, trueNegative: tn, falseNegative: fn } = counts;
  return {
    ...counts,
    unanswered,
    balancedAccuracy: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    f1: 2 * tp / (2 * tp + fp + fn),
  };
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
  cases: readonly { shown: string; right: boolean }[],
  perQuestion: number,
  seed: number,
): ScoreQuestion[] {
  const order = randomOrder(createRandom(seed), cases.length);
  const asked: ScoreQuestion[] = [];
  for (let first = 0; first < cases.length; first += perQuestion) {
    const part = Array.from(order.subarray(first, first + perQuestion), (i) => cases[i]);
    const list = part.map(({ shown }, i) => `${i + 1}. ${shown}`).join("\n");
    asked.push({
      messages: [
        { role: "system", content: task },
        { role: "user", content: `Description: ${text}\n\n${list}` },
      ],
      answers: part.map(({ right }) => right),
    });
  }
  return asked;
}
