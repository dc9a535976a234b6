import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/csv";
import type { ExplanationStudy } from "../../lib/interpretation/mod.ts";
import { csv } from "../../lib/report/files.ts";
import { explanationFiles } from "../../lib/report/mod.ts";

const score = (balancedAccuracy: number, unanswered = 0) => ({
  ...{ truePositive: 3, falsePositive: 1, trueNegative: 3, falseNegative: 1 },
  ...{ accuracy: 0.75, balancedAccuracy, precision: 0.75, recall: 0.75, f1: 0.75, unanswered },
});

const ABOUT = {
  ...{ sae: "sae", text: "held-out.jsonl", model: { id: "m", hook: "h" }, seed: 0, samples: 90 },
  calls: 12,
};

const TOKENS: ExplanationStudy = {
  latents: [{ latent: 3, text: "“cat”", source: "tokens", detection: score(0.5) }],
  metaLatents: [],
  choices: [],
} as unknown as ExplanationStudy;

const MODEL = {
  latents: [
    { latent: 3, text: "=cats", source: "m-1", detection: score(0.75, 2), fuzzing: score(1) },
    { latent: 8, text: "", source: "m-1", problem: "it was filtered" },
  ],
  metaLatents: [{ metaLatent: 1, text: "animals", source: "m-1", latents: [3, 8] }],
  choices: [{ control: "none", asked: 4, right: 3, unanswered: 1, accuracy: 0.75, chance: 0.2 }],
} as unknown as ExplanationStudy;

Deno.test("labels from tokens alone give three files; a model's explanations all of them", () => {
  assertEquals(Object.keys(explanationFiles({ ...ABOUT, byTokens: TOKENS })).sort(), [
    ...["explanations.csv", "explanations.jsonl", "summary.json"],
  ]);
  const files = explanationFiles({ ...ABOUT, byTokens: TOKENS, byModel: MODEL });
  assertEquals(Object.keys(files).sort(), [
    ...["explanations.csv", "explanations.jsonl", "labels.jsonl", "meta_explanations.csv"],
    ...["meta_explanations.jsonl", "multiple_choice.csv", "summary.json"],
  ]);
  const rows = parse(files["explanations.csv"], { skipFirstRow: true });
  assertEquals(
    rows.map(({ latent, detection, fuzzing, problem }) => [latent, detection, fuzzing, problem]),
    [
      ["3", "0.75", "1", ""],
      ["8", "", "", "it was filtered"],
    ],
  );
  assertEquals(parse(files["meta_explanations.csv"], { skipFirstRow: true }), [
    { metaLatent: "1", text: "animals", source: "m-1", latents: "3 8" },
  ]);
  const { explanations, labels, multipleChoice, calls } = JSON.parse(files["summary.json"]);
  assertEquals(explanations, {
    ...{ source: "m-1", latents: 2, withText: 1, detection: 0.75, fuzzing: 1 },
    unanswered: { detection: 2, fuzzing: 0 },
  });
  assertEquals([labels.detection, labels.fuzzing, calls], [0.5, null, 12]);
  const [{ low, high, right }] = multipleChoice;
  assert(right === 3 && low < 0.75 && high > 0.75, `${low} to ${high}`);
});

Deno.test("cells that spreadsheets would run are text; what is no number is empty", () => {
  const text = csv([{ a: "=1+1", b: NaN, c: -2, d: "@x", e: undefined, f: "a-b" }]);
  assertEquals(text.trim().split("\r\n")[1], "'=1+1,,-2,'@x,,a-b");
});
