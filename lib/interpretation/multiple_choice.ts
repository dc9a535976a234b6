import type { Decomposition } from "../meta/decompose.ts";
import { metaLatentsOf } from "../meta/read_decomposition.ts";
import { createRandom, randomOrder } from "../random.ts";
import { withoutThoughts } from "./explain_latents.ts";
import { type Chat, ChatError, type ChatMessage } from "./chat.ts";

/** A question: which of several explanations is that of a latent with these meta-latents. */
export interface ChoiceQuestion {
  /** The latent. */
  latent: number;
  /** What its active meta-latents stand for, the largest weight first. */
  metaTexts: string[];
  /** Explanations to choose from. */
  options: string[];
  /** Index of the latent's own one. */
  right: number;
}

/** Options of {@linkcode choiceQuestions}. */
export interface ChoiceOptions {
  /** Most latents that are asked for (default 1000). */
  count?: number;
  /** Explanations to choose from (default 5). */
  options?: number;
  /** Seed of the latents, of the wrong explanations and of the order (default 0). */
  seed?: number;
  /**
   * Control: meta-latents get each other's explanations (default false). Whoever answers better than by chance
   * then answers by something else than the meta-latents.
   */
  permuted?: boolean;
  /**
   * Control: the latents that each meta-latent's explanation was made from. Meta-latents that were explained from
   * the latent itself are left out: otherwise its own explanation can come back in theirs.
   */
  madeFrom?: ReadonlyMap<number, readonly number[]>;
}

/**
 * Multiple-choice questions (§5.1): from the explanations of a latent's meta-latents its own explanation is to
 * be told from those of random other latents. Latents without explanation, or without explained meta-latents, are
 * left out; wrong explanations differ from the right one.
 *
 * @param explanations What latents stand for, by number.
 * @param metaExplanations What meta-latents stand for, by number.
 * @throws {RangeError} There are fewer different explanations than options.
 */
export function choiceQuestions(
  decomposition: Decomposition,
  explanations: ReadonlyMap<number, string>,
  metaExplanations: ReadonlyMap<number, string>,
  { count = 1000, options = 5, seed = 0, permuted = false, madeFrom }: ChoiceOptions = {},
): ChoiceQuestion[] {
  const random = createRandom(seed);
  const texts = [...new Set(explanations.values())].filter((text) => text !== "");
  if (texts.length < options) {
    throw new RangeError(
      `there are ${texts.length} different explanations, expected at least ${options} to choose from`,
    );
  }
  const meta = [...metaExplanations].filter(([, text]) => text !== "");
  const order = randomOrder(random, meta.length);
  const metaText = new Map(
    meta.map(([latent, text], i) => [latent, permuted ? meta[order[i]][1] : text]),
  );
  const asked = [...explanations].flatMap(([latent, text]) => {
    const metaTexts = metaLatentsOf(decomposition, latent)
      .filter((meta) => !madeFrom?.get(meta.latent)?.includes(latent))
      .map((each) => metaText.get(each.latent)).filter((each) => each !== undefined);
    return text === "" || metaTexts.length === 0 ? [] : [{ latent, text, metaTexts }];
  });
  const chosen = randomOrder(random, asked.length).subarray(0, count);
  return Array.from(chosen, (i) => {
    const { latent, text, metaTexts } = asked[i];
    const wrong = new Set<string>();
    while (wrong.size < options - 1) {
      const other = texts[random.below(texts.length)];
      if (other !== text) wrong.add(other);
    }
    const right = random.below(options);
    const all = [...wrong];
    all.splice(right, 0, text);
    return { latent, metaTexts, options: all, right };
  });
}

/** Chooses one of a question's options, by index; undefined where no answer came. */
export type Chooser = (question: Omit<ChoiceQuestion, "right" | "latent">) => Promise<
  number | undefined
>;

/** How often the right explanation was chosen. */
export interface ChoiceScore {
  /** Questions. */
  asked: number;
  /** Right answers. */
  right: number;
  /** Questions without a usable answer, which count as wrong. */
  unanswered: number;
  /** right / asked. */
  accuracy: number;
}

/** Asks all questions. Chance is 1 / options. */
export async function scoreChoices(
  questions: readonly ChoiceQuestion[],
  choose: Chooser,
): Promise<ChoiceScore> {
  const given = await Promise.all(
    questions.map(({ metaTexts, options }) => choose({ metaTexts, options })),
  );
  const right = given.filter((choice, i) => choice === questions[i].right).length;
  return {
    asked: questions.length,
    right,
    unanswered: given.filter((choice) => choice === undefined).length,
    accuracy: right / questions.length,
  };
}

const TASK =
  `A feature of a language model is made up of parts. You get what each part stands for, and several \
descriptions of features, one of which is that of the feature. Answer with the number of that description, and \
with nothing else.`;

/** The question as a model is asked it, without examples (zero-shot). */
export function choiceMessages(
  { metaTexts, options }: Omit<ChoiceQuestion, "right" | "latent">,
): ChatMessage[] {
  const parts = metaTexts.map((text) => `- ${text}`).join("\n");
  const list = options.map((text, i) => `${i + 1}. ${text}`).join("\n");
  return [
    { role: "system", content: TASK },
    { role: "user", content: `Parts:\n${parts}\n\nDescriptions:\n${list}` },
  ];
}

/**
 * A chooser that asks a model. An answer is usable where it has one number, which is one of the options'; what a
 * model thought before (`<think>…</think>`) is not looked at.
 */
export function askToChoose(chat: Chat): Chooser {
  return async (question) => {
    const answer = await chat.ask(choiceMessages(question)).catch((error) => {
      if (error instanceof ChatError && error.onlyThis) return "";
      throw error;
    });
    const numbers = withoutThoughts(answer).match(/\d+/g) ?? [];
    const choice = Number(numbers[0]) - 1;
    const distinct = new Set(numbers).size;
    return distinct === 1 && choice >= 0 && choice < question.options.length ? choice : undefined;
  };
}

/**
 * A chooser that needs no model: the option that shares most words with the meta-latents' texts, a word counting
 * the less the more options have it. Without any shared word there is no answer.
 */
export function chooseByWords(): Chooser {
  const words = (text: string) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
  return ({ metaTexts, options }) => {
    const wanted = metaTexts.map(words);
    const own = options.map(words);
    const scores = own.map((option) => {
      let score = 0;
      for (const word of option) {
        const often = own.filter((each) => each.has(word)).length;
        // The first meta-latents have the largest weights.
        wanted.forEach((meta, i) => score += meta.has(word) ? 1 / often / (i + 1) : 0);
      }
      return score / Math.sqrt(Math.max(1, option.size));
    });
    const best = Math.max(...scores);
    return Promise.resolve(best > 0 ? scores.indexOf(best) : undefined);
  };
}
