import { assert, assertEquals } from "@std/assert";
import type { Chat, ChatMessage } from "../../lib/interpretation/chat.ts";
import { exampleText, splitExamples } from "../../lib/interpretation/example_text.ts";
import {
  cleanAnswer,
  explainLatent,
  explainMetaQuestion,
  explainQuestion,
} from "../../lib/interpretation/explain_latents.ts";
import {
  detectionQuestions,
  fuzzingQuestions,
  readList,
  scoreExplanation,
  type ScoreQuestion,
} from "../../lib/interpretation/score_explanation.ts";
import { dashboard, example, quiet } from "./explain_helper.ts";

/** A model that answers by a function. */
function answering(answer: (messages: readonly ChatMessage[]) => string): Chat {
  return {
    ask: (messages) => Promise.resolve(answer(messages)),
    knows: () => Promise.resolve(false),
    calls: () => 0,
  };
}

const text = (messages: readonly ChatMessage[]) => messages[1].content;

Deno.test("rows are split: what explains a latent is not what tests it", () => {
  for (let latent = 0; latent < 20; latent++) {
    const { explaining, testing } = splitExamples(dashboard(latent, "cat"), 3);
    const rows = (half: typeof testing) =>
      new Set([...half.top, ...half.sampled].map(({ row }) => row));
    const [own, tested] = [rows(explaining), rows(testing)];
    assertEquals(own.size + tested.size, 40);
    assert(own.size > 8 && tested.size > 8, `${own.size} and ${tested.size} rows`);
    for (const row of own) assert(!tested.has(row));
    // Samples begin with those of the interval with the largest activations, and take turns.
    assertEquals(testing.sampled.slice(0, 2).map(({ activations }) => activations[3]), [3, 1]);
  }
  const [a, b] = [0, 1].map((seed) => splitExamples(dashboard(1, "cat"), seed).explaining.top);
  assert(a.map(({ row }) => row).join() !== b.map(({ row }) => row).join());
});

Deno.test("an explanation is asked for with contexts at several levels of activation", async () => {
  const shown = dashboard(5, "cat");
  const messages = explainQuestion(shown, { top: 4, sampled: 6 })!;
  const lines = text(messages).split("\n");
  assertEquals(lines.length, 10);
  assertEquals(lines[0], "[10 5]  so the↵« cat sat» <on> it");
  // Sampled: activations of 3 and of 1 out of 4.
  assert(lines.some((line) => line.startsWith("[8 4]")), lines.join("\n"));
  assert(lines.some((line) => line.startsWith("[3 1]")), lines.join("\n"));
  const answer = 'Explanation: "words for cats"\n\nThese are …';
  assertEquals(await explainLatent(answering(() => answer), shown), {
    latent: 5,
    text: "words for cats",
  });
  const dead = { ...shown, top: [], intervals: [] };
  assertEquals(explainQuestion(dead), undefined);
  const never = answering(() => {
    throw new Error("nothing is to be asked");
  });
  assertEquals(await explainLatent(never, dead), { latent: 5, text: "" });
});

Deno.test("a meta-latent is explained from the latents that use it most", () => {
  const words = ["cat", "dog", "cow", "hen", "pig", "ant"];
  const latents = words.map((word, i) => ({
    dashboard: dashboard(i, word, 100 * i),
    text: i === 1 ? "" : `the word ${word}`,
  }));
  const messages = explainMetaQuestion(latents, { top: 2 })!;
  const parts = text(messages).split("\n\n");
  assertEquals(parts.map((part) => part.split("\n")[0]), [
    "Feature 1: the word cat",
    "Feature 2: the word cow",
    "Feature 3: the word hen",
    "Feature 4: the word pig",
  ]);
  assertEquals(parts[0].split("\n")[1], "-  so the↵« cat sat» <on> it");
  assertEquals(explainMetaQuestion([]), undefined);
});

Deno.test("what a model answers becomes one short line without control characters", () => {
  for (
    const [answer, kept] of [
      ["  \n**Cats**\nand more", "Cats"],
      ["Answer: label: dogs ", "dogs"],
      ["a\u0007b\u202ec", "abc"],
      ["<script>alert(1)</script>", "<script>alert(1)</script>"],
      ["x".repeat(5000), "x".repeat(200)],
      ["\n \n", ""],
    ]
  ) {
    assertEquals(cleanAnswer(answer), kept);
  }
});

Deno.test("a model that knows the word gets all right, one that guesses gets half", async () => {
  const shown = dashboard(5, "cat");
  const inactive = Array.from({ length: 30 }, (_, i) => quiet(200 + i, "dog"));
  const used = new Set(splitExamples(shown).explaining.top.map(({ row }) => row));
  const detection = detectionQuestions("cats", shown, inactive, { texts: 8 });
  const fuzzing = fuzzingQuestions("cats", shown, { texts: 8 });
  for (const asked of [detection, fuzzing]) {
    const right = asked.flatMap(({ answers }) => answers);
    assertEquals(right.length, 16);
    assertEquals(right.filter((yes) => yes).length, 8);
    assert(asked.every(({ answers }) => answers.length <= 5));
  }
  assert(used.size > 0);
  const lines = (messages: readonly ChatMessage[]) => text(messages).split("\n").slice(2);
  const knows = (test: (line: string) => boolean) =>
    answering((messages) => JSON.stringify(lines(messages).map((line) => test(line) ? 1 : 0)));
  const all = await scoreExplanation(knows((line) => line.includes("cat")), detection);
  assertEquals([all.balancedAccuracy, all.f1, all.unanswered], [1, 1, 0]);
  const marks = await scoreExplanation(knows((line) => line.includes("« cat")), fuzzing);
  assertEquals([marks.balancedAccuracy, marks.f1], [1, 1]);
  assert(text(fuzzing[0].messages).includes("«") && !text(detection[0].messages).includes("«"));
  // Where all are called so, precision is one half and recall one.
  const yes = await scoreExplanation(knows(() => true), detection);
  assertEquals([yes.balancedAccuracy, yes.f1], [0.5, 2 / 3]);
  assertEquals([yes.truePositive, yes.falsePositive, yes.trueNegative, yes.falseNegative], [
    ...[8, 8, 0, 0],
  ]);
  const mute = await scoreExplanation(answering(() => "I cannot say."), detection);
  assertEquals([mute.unanswered, mute.truePositive, mute.balancedAccuracy], [16, 0, NaN]);
});

Deno.test("texts without activation that share a row with a context are no test", () => {
  const shown = dashboard(5, "cat");
  const rows = splitExamples(shown).testing.top.map(({ row }) => row);
  const asked: ScoreQuestion[] = detectionQuestions("cats", shown, [quiet(rows[0], "dog")]);
  assertEquals(asked.flatMap(({ answers }) => answers).includes(false), false);
});

Deno.test("lists of zeros and ones are read, and nothing else", () => {
  assertEquals(readList("[1, 0,1]", 3), [true, false, true]);
  assertEquals(readList("First [1,1] and then:\n[0,1]", 2), [false, true]);
  assertEquals(readList("[1 0 1]", 3), undefined);
  assertEquals(readList("[1, 2, 1]", 3), undefined);
  assertEquals(readList("[1, 0]", 3), undefined);
  assertEquals(readList("[1, , 1]", 3), undefined);
  assertEquals(readList("1, 0, 1", 3), undefined);
});

Deno.test("an example is one line, with marks around runs of tokens", () => {
  const shown = example(1, "cat");
  assertEquals(exampleText(shown), " so the↵ cat sat <on> it");
  assertEquals(exampleText(shown, [0, 1, 5]), "« so the»↵ cat sat« <on>» it");
});
