import type { Chat, ChatMessage } from "./chat.ts";
import type { LatentDashboard } from "./dashboards.ts";
import { activeTokens, exampleText, splitExamples, strengths } from "./example_text.ts";
import type { LatentExample } from "./latent_example.ts";

/** What a latent or a meta-latent stands for, in words. */
export interface Explanation {
  /** Its number. */
  latent: number;
  /** The words; empty where there was nothing to explain. */
  text: string;
}

/** Options of {@linkcode explainLatent}. */
export interface ExplainOptions {
  /** Contexts with the largest activations that are shown (default 10). */
  top?: number;
  /** Contexts sampled from all intervals of activations that are shown (default 10). */
  sampled?: number;
  /** Seed of what is kept for tests (default 0). */
  seed?: number;
}

const TASK = `You find out what a feature inside a language model stands for.
You get stretches of text in which the feature is active. Tokens where it is active stand between « and ». \
The numbers in front say how strongly, from 1 to 10, for each marked token in turn.
Say what the marked tokens have in common, with their surroundings where these matter. \
Be specific. Answer with one line of at most twelve words, and with nothing else.`;

/**
 * The question what a latent stands for. It shows contexts at several levels of activation, of the half of the
 * rows that no test uses.
 *
 * @returns Undefined where the latent is active in none of these rows.
 */
export function explainQuestion(
  dashboard: LatentDashboard,
  { top = 10, sampled = 10, seed = 0 }: ExplainOptions = {},
): ChatMessage[] | undefined {
  const { explaining } = splitExamples(dashboard, seed);
  const seen = new Set<string>();
  const examples = [...explaining.top.slice(0, top), ...explaining.sampled.slice(0, sampled)]
    .filter(({ row, position }) => {
      const place = `${row}:${position}`;
      return !seen.has(place) && seen.add(place);
    });
  if (examples.length === 0) return undefined;
  const shown = (example: LatentExample) =>
    `[${strengths(example, dashboard.maxActivation).join(" ")}] ` +
    exampleText(example, activeTokens(example));
  return [
    { role: "system", content: TASK },
    { role: "user", content: examples.map(shown).join("\n") },
  ];
}

/** Asks what a latent stands for. */
export async function explainLatent(
  chat: Chat,
  dashboard: LatentDashboard,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const question = explainQuestion(dashboard, options);
  return {
    latent: dashboard.latent,
    text: question ? cleanAnswer(await chat.ask(question)) : "",
  };
}

const META_TASK = `A dictionary of features of a language model was itself taken apart into parts. \
You find out what one part stands for.
You get features that contain the part most strongly: what each of them stands for, and stretches of text in \
which it is active, its tokens between « and ».
Say what these features have in common. Be specific. Answer with one line of at most twelve words, and with \
nothing else.`;

/** A latent that uses a meta-latent. */
export interface ExplainedLatent {
  /** Its dashboard. */
  dashboard: LatentDashboard;
  /** What it stands for. */
  text: string;
}

/**
 * The question what a meta-latent stands for, from the latents that use it most: their explanations and some
 * contexts (A.8.2: five of each).
 *
 * @param latents Latents that use the meta-latent, the largest weight first.
 * @returns Undefined where there are none.
 */
export function explainMetaQuestion(
  latents: readonly ExplainedLatent[],
  { count = 5, top = 5, seed = 0 }: { count?: number; top?: number; seed?: number } = {},
): ChatMessage[] | undefined {
  const shown = latents.slice(0, count).filter(({ text }) => text !== "");
  if (shown.length === 0) return undefined;
  const parts = shown.map(({ dashboard, text }, i) =>
    [
      `Feature ${i + 1}: ${text}`,
      ...splitExamples(dashboard, seed).explaining.top.slice(0, top).map((example) =>
        `- ${exampleText(example, activeTokens(example))}`
      ),
    ].join("\n")
  );
  return [
    { role: "system", content: META_TASK },
    { role: "user", content: parts.join("\n\n") },
  ];
}

/** Longest explanation that is kept, characters. */
const LONGEST = 200;

/**
 * What a model answered, as one short line of text: the first line that is not empty, without marks around it,
 * without control characters and without what a model thought before (`<think>…</think>`).
 */
export function cleanAnswer(answer: string): string {
  const line =
    withoutThoughts(answer).split(/[\r\n]+/).map((each) => each.trim()).find((each) =>
      each !== ""
    ) ?? "";
  return line.replace(/[\p{Cc}\p{Bidi_Control}]/gu, "")
    .replace(/^(?:["'“*#\-]+\s*|(?:explanation|answer|label):\s*)+/i, "")
    .replace(/["'”*]+$/, "").trim().slice(0, LONGEST);
}

/** An answer without what a model thought before: `<think>…</think>`. */
export function withoutThoughts(answer: string): string {
  return answer.replace(/<think>[^]*?(?:<\/think>|$)/g, "");
}
