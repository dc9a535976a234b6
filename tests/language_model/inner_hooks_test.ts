import { assert, assertEquals, assertRejects } from "@std/assert";
import { inspectModel } from "../../lib/language_model/inspect_model.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { someOf } from "../depth.ts";
import { loadFixture, maxDifference, tinyGpt2, weightOf } from "./fixtures.ts";

const dModel = 64;
const bound = 1e-5;

// Which exports have which hooks: docs/models.md has this table.
const inner = ["attn.hook_z", "hook_mlp_in", "mlp.hook_pre", "mlp.hook_post"];
const gated = [...inner, "mlp.hook_pre_linear"];
const norms = ["ln1.hook_normalized", "ln2.hook_normalized"];
const exports: [string, string, string[]][] = [
  ["gpt2", "model", [...inner, ...norms]],
  ["gpt2", "decoder_model_merged", [...inner, ...norms]],
  ["gpt2", "model_quantized", [...inner, ...norms]],
  ["neox", "model", [...inner, ...norms]],
  ["neox", "model_qdq4", [...inner, ...norms]],
  ["neox", "model_fp16", [...inner, ...norms]],
  ["gemma2", "model", [...gated, ...norms]],
  ["llama", "model", [...gated, ...norms]],
  ["llama", "builder", [...gated, ...norms]],
  ["llama", "builder_q4", [...gated, ...norms]],
  ["llama", "model_q4", [...gated, ...norms]],
];

for (const [name, modelFile, expected] of exports) {
  Deno.test(`${name}/${modelFile}: what is inside of a layer is found, read and put back`, async () => {
    const { folder, tokens, rows } = loadFixture(name);
    const { hooks } = await inspectModel(folder, { modelFile });
    const names = hooks.map(({ hook }) => hook).filter((hook) => /\.1\..*(_in|\..*)$/.test(hook));
    const own = names.filter((hook) => !/hook_(resid|attn_out|mlp_out)/.test(hook));
    assertEquals(own.sort(), expected.map((hook) => `blocks.1.${hook}`).sort());
    assert(hooks.some(({ hook, alias }) => hook === "hook_embed" || alias === "hook_embed"));
    // Rounded elsewhere, 8 bits are others.
    const near = /^model$|merged|builder$/.test(modelFile) ? bound : 3e-2;
    const [hook, ...moreHooks] = own;
    await using all = await openLanguageModel(folder, { hook, moreHooks, modelFile, threads: 1 });
    const together = await all.activationsOf(tokens, rows);
    const logits = await all.logits(tokens, rows);
    // Of quantised files one hook of each kind will do: the graph is the same.
    const few = /^model$|builder$/.test(modelFile) ? own : own.slice(0, 2);
    for (const hook of someOf(few, 2)) {
      await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
      assertEquals(model.hook, hook);
      assertEquals(model.inStream, hook.endsWith("hook_mlp_in"));
      const values = await model.activations(tokens, rows);
      assertEquals([values.rows, values.cols], [
        tokens.length,
        dModel * (/gpt2/.test(name) && /mlp\./.test(hook) ? 4 : 1),
      ]);
      assert(maxDifference(values.data, together[own.indexOf(hook)].data) < near, hook);
      const again = await model.logits(tokens, rows, values);
      assert(maxDifference(again.data, logits.data) < near, `${hook} put back`);
      const other = { ...values, data: values.data.map((x, at) => x + Math.sin(at)) };
      const changed = await model.logits(tokens, rows, other);
      assert(maxDifference(changed.data, logits.data) > 1e-3, `${hook} replaced`);
    }
  });
}

Deno.test("hooks inside of layers have the values of their definitions", async () => {
  for (const [name, modelFile] of [["gpt2", "model"], ["llama", "model"], ["llama", "builder"]]) {
    const { folder, tokens, rows } = loadFixture(name);
    const gate = name === "llama";
    const names = [
      ...["hook_resid_mid", "hook_mlp_in", "ln2.hook_normalized", "mlp.hook_pre", "mlp.hook_post"],
      ...gate ? ["mlp.hook_pre_linear"] : [],
    ].map((one) => `blocks.1.${one}`);
    const [hook, ...moreHooks] = names;
    await using model = await openLanguageModel(folder, { hook, moreHooks, modelFile, threads: 1 });
    assertEquals(model.hooks.map((one) => one.hook), names);
    const [mid, input, normalized, pre, post, linear] = await model.activationsOf(tokens, rows);
    assertEquals(input.data, mid.data);
    for (let at = 0; at < mid.data.length; at += dModel) {
      const row = Array.from(mid.data.subarray(at, at + dModel));
      const mean = gate ? 0 : row.reduce((sum, x) => sum + x, 0) / dModel;
      const square = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / dModel;
      const size = Math.sqrt(square + (gate ? 1e-6 : 1e-5));
      const expected = row.map((x) => (x - mean) / size);
      assert(maxDifference(normalized.data.subarray(at, at + dModel), expected) < bound);
    }
    const active = pre.data.map((x, at) => {
      if (gate) return x / (1 + Math.exp(-x)) * linear.data[at];
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    });
    assert(maxDifference(active, post.data) < bound, name);
  }
});

Deno.test("z times W_O is what attention adds, hook_post times W_out what the MLP adds", async () => {
  const { folder, tokens, rows } = loadFixture("neox");
  const hook = "blocks.2.attn.hook_z";
  const moreHooks = ["blocks.2.hook_attn_out", "blocks.2.mlp.hook_post", "blocks.2.hook_mlp_out"];
  await using model = await openLanguageModel(folder, { hook, moreHooks, threads: 1 });
  const [z, attention, post, mlp] = await model.activationsOf(tokens, rows);
  const path = `${folder}/onnx/model.onnx`;
  const layer = "gpt_neox.layers.2";
  const checks = [
    [z, attention, /^onnx::MatMul_791$/, `${layer}.attention.dense.bias`],
    [post, mlp, /^onnx::MatMul_793$/, `${layer}.mlp.dense_4h_to_h.bias`],
  ] as const;
  for (const [from, to, weightName, biasName] of checks) {
    const [weight, bias] = [weightOf(path, weightName), weightOf(path, new RegExp(biasName))];
    for (let at = 0; at < to.data.length; at++) {
      const row = Math.floor(at / dModel) * dModel;
      let sum = bias[at % dModel];
      for (let c = 0; c < dModel; c++) sum += from.data[row + c] * weight[c * dModel + at % dModel];
      assert(Math.abs(sum - to.data[at]) < bound);
    }
  }
});

Deno.test("names of other libraries mean the same points", async () => {
  const names: Record<string, string> = {
    "blocks.2.hook_in": "blocks.2.hook_resid_pre",
    "blocks.1.hook_out": "blocks.2.hook_resid_pre",
    "blocks.2.ln2.hook_in": "blocks.2.hook_resid_mid",
    "blocks.2.attn.hook_out": "blocks.2.hook_attn_out",
    "blocks.2.mlp.hook_out": "blocks.2.hook_mlp_out",
    "blocks.2.attn.o.hook_in": "blocks.2.attn.hook_z",
    "blocks.2.mlp.in.hook_out": "blocks.2.mlp.hook_pre",
    "blocks.2.mlp.out.hook_in": "blocks.2.mlp.hook_post",
    "transformer.h.2": "blocks.3.hook_resid_pre",
    "model.layers.2.output": "blocks.3.hook_resid_pre",
    "transformer.wte": "hook_embed",
    "embed.hook_out": "hook_embed",
  };
  for (const [other, hook] of someOf(Object.entries(names), 5)) {
    await using model = await openLanguageModel(tinyGpt2, { hook: other, threads: 1 });
    assertEquals(model.hook, hook, other);
  }
  const { folder } = loadFixture("llama");
  for (const [other, hook] of [["gate", "hook_pre"], ["in", "hook_pre_linear"]]) {
    await using model = await openLanguageModel(folder, { hook: `blocks.1.mlp.${other}.hook_out` });
    assertEquals(model.hook, `blocks.1.mlp.${hook}`);
  }
  await assertRejects(
    () => openLanguageModel(tinyGpt2, { hook: "model.layers.4" }),
    Error,
    '"model.layers.4" is not a hook',
  );
});

Deno.test("the token embedding is read and replaced where positions are added to it", async () => {
  const { tokens, rows, folder } = loadFixture("gpt2");
  await using model = await openLanguageModel(folder, { hook: "hook_embed", threads: 1 });
  const values = await model.activations(tokens, rows);
  const logits = await model.logits(tokens, rows);
  assert(maxDifference((await model.logits(tokens, rows, values)).data, logits.data) < bound);
  // Equal tokens have equal rows, wherever they stand.
  const of = (at: number) => values.data.subarray(at * dModel, (at + 1) * dModel);
  const first = new Map<number, number>();
  tokens.forEach((token, at) => {
    if (first.has(token)) assertEquals(of(at), of(first.get(token)!));
    else first.set(token, at);
  });
  assert(first.size < tokens.length);
});
