import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { combinations } from "../depth.ts";
import { loadFixture, lossOfLogits, maxDifference, tinyGpt2 } from "./fixtures.ts";

// 50 exports were within 5e-6 of PyTorch (float32 sums in another order).
const bound = 1e-5;

const exports = [
  ["gpt2", "model"],
  ["gpt2", "decoder_model_merged"],
  ["neox", "model"],
  ["gemma2", "model"],
  ["llama", "model"],
  ["llama", "builder"],
];

for (const [name, modelFile] of exports) {
  Deno.test(`${name}/${modelFile}: every hook has PyTorch's values, and the suffix its loss`, async () => {
    const fixture = loadFixture(name);
    const { folder, tokens, rows, values } = fixture;
    const loss = lossOfLogits(fixture);
    for (const { layer, place } of combinations({ layer: [0, 1, 2], place: ["pre", "post"] })) {
      const hook = `blocks.${layer}.hook_resid_${place}`;
      await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
      assertEquals([model.hook, model.dModel, model.layers], [hook, 64, 3]);
      const stream = await model.activations(tokens, rows);
      assertEquals([stream.rows, stream.cols], [tokens.length, 64]);
      const expected = values[`${place}${layer}`];
      const off = maxDifference(stream.data, expected);
      assert(off < bound, `${hook} is off by ${off}`);
      const baseline = await model.crossEntropy(tokens, rows);
      const offLoss = maxDifference(baseline, loss);
      assert(offLoss < bound, `the loss at ${hook} is off by ${offLoss}`);
      assertEquals(await model.crossEntropy(tokens, rows, stream), baseline);
      // Another stream must change the loss: the suffix reads what it is fed.
      const zeros = { ...stream, data: new Float32Array(stream.data.length) };
      assert(maxDifference(await model.crossEntropy(tokens, rows, zeros), loss) > 1e-3, hook);
    }
  });
}

Deno.test("a middle hook and a tensor's own name open the same points", async () => {
  const { folder, tokens, rows, values } = loadFixture("gpt2");
  await using middle = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_mid" });
  assertEquals(middle.tensor, "/transformer/h.1/Add_output_0");
  await using named = await openLanguageModel(folder, { hook: "/transformer/h.1/Add_1_output_0" });
  assertEquals(named.hook, "blocks.2.hook_resid_pre");
  const stream = await named.activations(tokens, rows);
  assert(maxDifference(stream.data, values.pre2) < bound);
  await using last = await openLanguageModel(folder, { hook: "/transformer/h.2/Add_1_output_0" });
  assertEquals(last.hook, "blocks.2.hook_resid_post");
});

Deno.test("several calls may be open and are answered in order", async () => {
  const { folder, tokens, rows } = loadFixture("gpt2");
  await using model = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_pre" });
  const order: number[] = [];
  const calls = [0, 1, 2, 3].map(async (i) => {
    const rowTokens = tokens.slice(0, 2 * (i + 1));
    const result =
      await (i % 2 ? model.crossEntropy(rowTokens, 1) : model.activations(rowTokens, 1));
    order.push(i);
    return "rows" in result ? result.rows : result.length;
  });
  assertEquals(await Promise.all(calls), [2, 3, 6, 7]);
  assertEquals(order, [0, 1, 2, 3]);
  // The caller's arrays stay the caller's.
  assertEquals((await model.activations(tokens, rows)).rows, tokens.length);
});

Deno.test("a closed model answers what was asked and refuses more", async () => {
  const { folder, tokens, rows } = loadFixture("gpt2");
  const model = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_pre" });
  const open = model.activations(tokens, rows);
  const closed = model[Symbol.asyncDispose]();
  assertEquals((await open).rows, tokens.length);
  await closed;
  await model[Symbol.asyncDispose]();
  const error = await assertRejects(() => model.activations(tokens, rows), Error);
  assertStringIncludes(error.message, "the model is closed");
});

Deno.test("tokens and replacements that do not fit the model are refused", async () => {
  const { folder, tokens, rows } = loadFixture("gpt2");
  await using model = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_pre" });
  const cases: [Promise<unknown>, string][] = [
    [model.activations(tokens, 4), "tokens has 18 ids, expected rows = 4 times a context length"],
    [model.activations(tokens, 0), "rows is 0, expected a whole number above 0"],
    [model.activations(new Int32Array(0), 1), "tokens has 0 ids"],
    [model.activations(new Int32Array(65), 1), "the context length is 65, "],
    [
      model.activations(Int32Array.of(1, 2, 3, 96), 2),
      "token 96 in row 1, position 1, is out of range",
    ],
    [model.activations(Int32Array.of(-1), 1), "token -1 in row 0, position 0"],
    [model.crossEntropy(Int32Array.of(1), 1), "a context length from 2"],
    [
      model.crossEntropy(tokens, rows, { data: new Float32Array(64), rows: 1, cols: 64 }),
      "replacement is [1, 64] with 64 numbers, expected [rows * context length, dModel] = [18, 64]",
    ],
  ];
  for (const [call, text] of cases) {
    assertStringIncludes((await assertRejects(() => call, Error)).message, text);
  }
  assertStringIncludes(
    assertThrows(() => model.tokenize("text"), Error).message,
    "tokenizer.json does not exist",
  );
});

Deno.test("unknown hooks are refused with the list of those there are", async () => {
  const { folder } = loadFixture("neox");
  const cases = [
    ["blocks.3.hook_resid_pre", '"blocks.3.hook_resid_pre" is not a hook; the hooks are\n'],
    // GPT-NeoX adds attention and MLP at once: there is no point between.
    ["blocks.1.hook_resid_mid", "is not a hook"],
    [
      "/gpt_neox/layers.0/mlp/act/Add_output_0",
      "is a tensor of the graph but not of the residual stream",
    ],
  ];
  for (const [hook, text] of cases) {
    const error = await assertRejects(() => openLanguageModel(folder, { hook }), Error);
    assertStringIncludes(error.message, text);
    assertStringIncludes(
      error.message,
      "  blocks.2.hook_resid_pre = blocks.1.hook_resid_post = /gpt_neox/layers.1/Add_1_output_0 " +
        "[rows, positions, 64]\n",
    );
  }
});

Deno.test("tiny-gpt2 predicts English", async () => {
  await using model = await openLanguageModel(tinyGpt2, { hook: "blocks.2.hook_resid_pre" });
  assertEquals([model.vocabSize, model.bosToken, model.maxContext], [4096, 4095, 128]);
  const text = "The President of the United States of America.";
  const tokens = Int32Array.of(model.bosToken, ...model.tokenize(text));
  const loss = await model.crossEntropy(tokens, 1);
  const mean = loss.reduce((sum, nats) => sum + nats, 0) / loss.length;
  // A uniform guess would be ln 4096 = 8.3; held-out text has 3.97.
  assert(mean > 1 && mean < 5, `${mean} nats per token`);
});

Deno.test("tokens read as text, parts of characters as bytes", async () => {
  await using model = await openLanguageModel(tinyGpt2, { hook: "blocks.2.hook_resid_pre" });
  const text = "Hello the world, naïve \n日 's";
  const tokens = model.tokenize(text);
  assertEquals(model.decode(tokens), text);
  const texts = Array.from(tokens, (token) => model.tokenText(token));
  assertEquals(texts.slice(0, 5), ["H", "ell", "o", " the", " world"]);
  assert(texts.includes("\n") && texts.includes("\\xc3"), texts.join("|"));
  assertEquals(model.tokenText(model.bosToken), "<|endoftext|>");
  assertEquals(model.tokenText(99999), "[99999]");
});

Deno.test("rows that go through the suffix in several runs have the loss they have alone", async () => {
  await using model = await openLanguageModel(tinyGpt2, { hook: "blocks.3.hook_resid_post" });
  // 32 rows of 128 tokens with 4096 logits each are one run.
  const rows = 35;
  const length = 128;
  const tokens = Int32Array.from({ length: rows * length }, (_, i) => (i * 7919) % 4095);
  const together = await model.crossEntropy(tokens, rows);
  assertEquals(together.length, rows * (length - 1));
  for (const row of [0, 31, 32, 34]) {
    const alone = await model.crossEntropy(tokens.subarray(row * length, (row + 1) * length), 1);
    const part = together.subarray(row * (length - 1), (row + 1) * (length - 1));
    assert(maxDifference(part, alone) < 1e-4, `row ${row}`);
  }
});
