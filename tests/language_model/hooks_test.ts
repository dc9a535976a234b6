import { assert, assertEquals } from "@std/assert";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { someOf } from "../depth.ts";
import { loadFixture, lossOfLogits, maxDifference } from "./fixtures.ts";
import { openHooks } from "./run_hooks.ts";

const layers = 3;
const dModel = 64;
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

for (const [name, file] of exports) {
  Deno.test(`${name}/${file}: every hook is right, and cut there the graph is whole`, async () => {
    const { folder, tokens, rows, values } = loadFixture(name);
    const shape = { tokens, rows, layers, dModel };
    const runner = openHooks(`${folder}/onnx/${file}.onnx`, shape);
    const { points } = runner;
    const parallel = name === "neox";
    assertEquals(points.length, parallel ? 10 : 13);
    const streams = await runner.prefix(points);
    const logits = await runner.intact();
    assert(maxDifference(logits, values.logits) < bound);
    const at = (hook: string) => points.findIndex(({ hooks }) => hooks.includes(hook));
    for (let layer = 0; layer < layers; layer++) {
      const find = (place: string) => streams[at(`blocks.${layer}.hook_${place}`)];
      const [pre, attention, mlp, post] = ["resid_pre", "attn_out", "mlp_out", "resid_post"]
        .map(find);
      assert(maxDifference(pre, values[`pre${layer}`]) < bound);
      assert(maxDifference(post, values[`post${layer}`]) < bound);
      // PyTorch gave the stream alone: what is added to it is the rest.
      assert(maxDifference(pre.map((x, i) => x + attention[i] + mlp[i]), post) < bound);
      const middle = find("resid_mid");
      assertEquals(middle === undefined, parallel);
      if (middle) assert(maxDifference(pre.map((x, i) => x + attention[i]), middle) < bound);
    }
    for (const [i, point] of someOf([...points.entries()], 5)) {
      const off = maxDifference(await runner.suffix(point, streams[i]), logits);
      assert(off < bound, `the logits by the suffix of ${point.tensor} are off by ${off}`);
    }
    // A replaced branch acts as a stream in which it is replaced.
    const [pre, attention, mlp] = ["resid_pre", "attn_out", "mlp_out"].map((place) =>
      at(`blocks.1.hook_${place}`)
    );
    const other = streams[attention].map((x, i) => Math.sin(i) - x);
    const [into, stream] = parallel
      ? [mlp + 1, other.map((x, i) => x + streams[pre][i] + streams[mlp][i])]
      : [attention + 1, other.map((x, i) => x + streams[pre][i])];
    const changed = await runner.suffix(points[attention], other);
    assert(maxDifference(changed, await runner.suffix(points[into], stream)) < bound);
    assert(maxDifference(changed, logits) > 1e-2);
  });
}

const quantised: [string, string][] = [
  ["gpt2", "model_quantized"],
  ["neox", "model_qdq4"],
  ["neox", "model_fp16"],
  ["llama", "model_q4f16"],
  ["llama", "model_q4"],
  ["llama", "builder_q4"],
];

for (const [name, file] of quantised) {
  Deno.test(`${name}/${file}: the hooks are there, and cut there the graph is whole`, async () => {
    const { folder, tokens, rows, values } = loadFixture(name);
    const shape = { tokens, rows, layers, dModel };
    const runner = openHooks(`${folder}/onnx/${file}.onnx`, shape);
    const { points } = runner;
    assertEquals(points.length, name === "neox" ? 10 : 13);
    const streams = await runner.prefix(points);
    const last = streams.length - 1;
    const logits = await runner.intact();
    for (const i of [1, 2, 6, last]) {
      // A new boundary between operators rounds elsewhere.
      const off = maxDifference(await runner.suffix(points[i], streams[i]), logits);
      assert(off < 1e-2, `the logits by the suffix of ${points[i].tensor} are off by ${off}`);
    }
    // The same model in fewer bits: near the full precision's stream, not at it.
    const off = maxDifference(streams[last], values.post2);
    const size = Math.max(...values.post2.map(Math.abs));
    assert(off > 1e-5 && off < size / 3, `the stream is off by ${off} of ${size}`);
  });
}

Deno.test("in parallel layers attention is the branch that mixes positions", async () => {
  const { folder, tokens, rows } = loadFixture("neox");
  const open = (tokens: Int32Array) =>
    openHooks(`${folder}/onnx/model.onnx`, { tokens, rows, layers, dModel });
  const { points, prefix } = open(tokens);
  const [before] = [await prefix(points)];
  const length = tokens.length / rows;
  // Another first token changes what attention gives at the last position, not the MLP of layer 0.
  const after = await open(tokens.with(0, (tokens[0] + 1) % 96)).prefix(points);
  const last = (all: Float32Array[], hook: string) =>
    all[points.findIndex(({ hooks }) => hooks.includes(hook))]
      .slice((length - 1) * dModel, length * dModel);
  for (const [place, moves] of [["attn_out", true], ["mlp_out", false]] as const) {
    const hook = `blocks.0.hook_${place}`;
    assertEquals(maxDifference(last(before, hook), last(after, hook)) > 1e-6, moves, hook);
  }
});

Deno.test("a branch is opened, replaced and measured like any hook", async () => {
  for (const [name, modelFile] of [["gpt2", "model"], ["llama", "builder"], ["neox", "model"]]) {
    const fixture = loadFixture(name);
    const { folder, tokens, rows } = fixture;
    for (const hook of ["blocks.1.hook_attn_out", "blocks.2.hook_mlp_out"]) {
      await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
      assertEquals(model.hook, hook);
      const values = await model.activations(tokens, rows);
      const baseline = await model.crossEntropy(tokens, rows);
      assert(maxDifference(baseline, lossOfLogits(fixture)) < bound);
      assertEquals(await model.crossEntropy(tokens, rows, values), baseline);
      const zeros = { ...values, data: new Float32Array(values.data.length) };
      assert(maxDifference(await model.crossEntropy(tokens, rows, zeros), baseline) > 1e-3);
    }
  }
});
