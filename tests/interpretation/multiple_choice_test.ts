import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  askToChoose,
  choiceMessages,
  choiceQuestions,
  chooseByWords,
  scoreChoices,
} from "../../lib/interpretation/multiple_choice.ts";
import { countTokens, tokenLabel } from "../../lib/interpretation/token_label.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import type { Decomposition } from "../../lib/meta/decompose.ts";
import { dashboard } from "./explain_helper.ts";

const M = 60;
const META = 10;

/** Latent l has the meta-latents l mod 10 and 3 l mod 10, the first with the larger weight. */
function decomposition(): Decomposition {
  const entries = Array.from({ length: M }, (_, l) => {
    const [a, b] = [l % META, (3 * l) % META];
    const own = a === b ? [[a, 2]] : [[a, 2], [b, 1]].sort((x, y) => x[0] - y[0]);
    return own;
  });
  const offsets = [0];
  for (const own of entries) offsets.push(offsets.at(-1)! + own.length);
  const latents: SparseMatrix = {
    ...{ rows: M, cols: META, rowOffsets: Uint32Array.from(offsets) },
    latents: Uint32Array.from(entries.flat(), ([latent]) => latent),
    values: Float32Array.from(entries.flat(), ([, weight]) => weight),
  };
  return { latents } as Decomposition;
}

/** Latents are called by their meta-latents' words and a word of their own. */
const explanations = new Map(
  Array.from({ length: M }, (_, l) => [l, `m${l % META} m${3 * l % META} own${l}`]),
);
const metaExplanations = new Map(Array.from({ length: META }, (_, l) => [l, `word m${l}`]));

Deno.test("questions have the right explanation once, among different wrong ones", () => {
  const questions = choiceQuestions(decomposition(), explanations, metaExplanations, { seed: 4 });
  assertEquals(new Set(questions.map(({ latent }) => latent)).size, M);
  const places = new Set<number>();
  for (const { latent, options, right, metaTexts } of questions) {
    places.add(right);
    assertEquals(options.length, 5);
    assertEquals(new Set(options).size, 5);
    assertEquals(options[right], explanations.get(latent));
    const [a, b] = [latent % META, (3 * latent) % META];
    assertEquals(metaTexts, a === b ? [`word m${a}`] : [`word m${a}`, `word m${b}`]);
  }
  assertEquals(places.size, 5);
  const few = choiceQuestions(decomposition(), explanations, metaExplanations, { count: 7 });
  assertEquals(few.length, 7);
  const without = choiceQuestions(
    decomposition(),
    explanations,
    new Map([...metaExplanations].map(([l, text]) => [l, l === 3 ? "" : text])),
  );
  // Latents whose only meta-latent has no explanation are not asked for: 3 · l mod 10 = 3 is l mod 10 = 1.
  assert(without.every(({ metaTexts }) => metaTexts.length > 0));
  assertThrows(
    () => choiceQuestions(decomposition(), new Map([[1, "a"], [2, "b"]]), metaExplanations),
    RangeError,
    "there are 2 different explanations, expected at least 5 to choose from",
  );
});

Deno.test("who uses the meta-latents' words is right, and near chance where these are permuted", async () => {
  const choose = chooseByWords();
  const score = async (permuted: boolean) =>
    await scoreChoices(
      choiceQuestions(decomposition(), explanations, metaExplanations, { seed: 1, permuted }),
      choose,
    );
  const [own, permuted] = [await score(false), await score(true)];
  // Six latents have the same meta-latents: now and then one of them is among the wrong options.
  assert(own.accuracy > 0.7, `${own.right} of ${own.asked}`);
  // Five options: 12 of 60 by chance, with a standard deviation of 3.1.
  assert(permuted.accuracy < 0.42, `${permuted.right} of ${permuted.asked} when permuted`);
  assertEquals(own.asked, M);
});

Deno.test("a model's answer is a number, or none", async () => {
  const question = { metaTexts: ["cats", "pets"], options: ["a", "b", "c"] };
  assertEquals(
    choiceMessages(question)[1].content,
    "Parts:\n- cats\n- pets\n\nDescriptions:\n1. a\n2. b\n3. c",
  );
  for (
    const [answer, choice] of [
      ["2", 1],
      ["The answer is 3.", 2],
      ["1 or 2", undefined],
      ["4", undefined],
      ["0", undefined],
      ["none", undefined],
    ] as const
  ) {
    const chat = {
      ask: () => Promise.resolve(answer),
      knows: () => Promise.resolve(false),
      calls: () => 0,
    };
    assertEquals(await askToChoose(chat)(question), choice);
  }
});

Deno.test("a label has the tokens that distinguish the contexts", () => {
  const background = countTokens(
    Array.from({ length: 1000 }, (_, i) => [" so", " the", "\n", " sat", " dog"][i % 5]),
  );
  const label = tokenLabel(dashboard(5, "cat"), background);
  assertEquals(label, { latent: 5, text: "“cat”", tokens: [" cat"], after: false, share: 1 });
  // All peaks are words that are everywhere; what comes before them is rare.
  const shown = dashboard(6, "dog");
  for (const each of [...shown.top, ...shown.intervals.flatMap(({ samples }) => samples)]) {
    each.tokens[2] = " hot";
  }
  assertEquals(tokenLabel(shown, background).text, "after “hot”");
  const dead = { ...shown, top: [], intervals: [] };
  assertEquals(tokenLabel(dead, background), {
    latent: 6,
    text: "",
    tokens: [],
    after: false,
    share: 0,
  });
});
