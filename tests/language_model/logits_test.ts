import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import type { Matrix } from "../../lib/matrix.ts";
import { findUnembedding } from "../../lib/language_model/find_unembedding.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { loadFixture, lossOfLogits, maxDifference } from "./fixtures.ts";

const dModel = 64;
const hook = "blocks.1.hook_resid_post";

/** Sums over rows of p (log p − log q), from logits in float64. */
function divergences(a: Matrix, b: Matrix): number[] {
  const logs = ({ data, cols }: Matrix, row: number) => {
    const logits = Array.from(data.subarray(row * cols, (row + 1) * cols));
    const most = Math.max(...logits);
    const sum = logits.reduce((total, one) => total + Math.exp(one - most), 0);
    return logits.map((one) => one - most - Math.log(sum));
  };
  return Array.from({ length: a.rows }, (_, row) => {
    const [p, q] = [logs(a, row), logs(b, row)];
    return p.reduce((sum, one, word) => sum + Math.exp(one) * (one - q[word]), 0);
  });
}

const exports = [
  ["gpt2", "model"],
  ["gpt2", "decoder_model_merged"],
  ["neox", "model"],
  ["gemma2", "model"],
  ["llama", "model"],
  ["llama", "builder"],
];

for (const [name, modelFile] of exports) {
  Deno.test(`${name}/${modelFile}: logits, losses and divergences are PyTorch's`, async () => {
    const fixture = loadFixture(name);
    const { folder, tokens, rows, values } = fixture;
    const length = tokens.length / rows;
    await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
    const logits = await model.logits(tokens, rows);
    assertEquals([logits.rows, logits.cols], [tokens.length, 96]);
    assert(maxDifference(logits.data, values.logits) < 1e-5);
    const own = await model.activations(tokens, rows);
    assertEquals(await model.logits(tokens, rows, own), logits);
    // One row of zeros stands for all, a changed stream is run whole.
    const zeros = { ...own, data: new Float32Array(own.data.length) };
    const other = { ...own, data: own.data.map((x, i) => x + 3 * Math.sin(i)) };
    const found = await model.spliceLosses(tokens, rows, [zeros, other, own], own);
    assert(maxDifference(found.own, lossOfLogits(fixture)) < 1e-5);
    const isLast = (at: number) => at % length === length - 1;
    for (const [i, replacement] of [zeros, other, own].entries()) {
      const spliced = await model.logits(tokens, rows, replacement);
      const { loss, divergence } = found.spliced[i];
      const expected = lossOfLogits({ ...fixture, values: { logits: spliced.data } });
      assert(maxDifference(loss, expected) < 1e-5, `the loss of replacement ${i}`);
      assert(maxDifference(loss, await model.crossEntropy(tokens, rows, replacement)) < 1e-6);
      const moved = divergences(logits, spliced).filter((_, at) => !isLast(at));
      assert(maxDifference(divergence, moved) < 1e-5, `the divergence of replacement ${i}`);
      assertEquals(Math.max(...moved) > 1e-4, i < 2);
    }
  });
}

/** W · W_U in float64, from the fixture's own weights: PyTorch gave the last stream and the logits. */
async function unembeddingOf(folder: string, modelFile: string): Promise<Matrix> {
  await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
  const rows = dModel;
  const data = Float32Array.from(
    { length: rows * dModel },
    (_, i) => i % dModel === Math.floor(i / dModel) ? 1 : 0,
  );
  return await model.unembed({ data, rows, cols: dModel });
}

Deno.test("the unembedding is that of the file: tied, transposed, 8-bit and 4-bit", async () => {
  const full: Record<string, Matrix> = {};
  for (const [name, modelFile] of exports) {
    const { folder } = loadFixture(name);
    const found = await unembeddingOf(folder, modelFile);
    assertEquals([found.rows, found.cols], [dModel, 96]);
    full[name] ??= found;
    // All exports of one model have the same weights.
    assertEquals(maxDifference(found.data, full[name].data) < 1e-6, true, modelFile);
  }
  const quantised: [string, string, number][] = [
    ["gpt2", "model_quantized", 1 / 127],
    ["neox", "model_fp16", 1e-3],
    ["neox", "model_qdq4", 1 / 7],
    ["llama", "model_q4", 1 / 7],
    ["llama", "model_q4f16", 1 / 7],
    ["llama", "builder_q4", 1 / 7],
  ];
  for (const [name, modelFile, step] of quantised) {
    const { folder } = loadFixture(name);
    const found = await unembeddingOf(folder, modelFile);
    const most = full[name].data.reduce((max, one) => Math.max(max, Math.abs(one)), 0);
    const off = maxDifference(found.data, full[name].data) / most;
    assert(off > 1e-6 && off < 1.05 * step, `${name}/${modelFile} is off by ${off}`);
  }
});

Deno.test("the final norm's scale can be folded in, and centres where the norm does", async () => {
  for (const [name, modelFile] of exports) {
    const { folder, tokens, rows, values } = loadFixture(name);
    const path = `${folder}/onnx/${modelFile}.onnx`;
    const { graph } = readOnnxGraph(path);
    const unembedding = findUnembedding(graph, "logits");
    assertEquals(unembedding?.width, dModel);
    const centred = name === "gpt2" || name === "neox";
    assertEquals(unembedding?.norm?.centred, centred);
    // The last stream, normalised by hand, gives the logits up to a shift (and Gemma's soft cap).
    const stream = values.post2;
    const data = stream.slice();
    for (let at = 0; at < data.length; at += dModel) {
      const row = Array.from(stream.subarray(at, at + dModel));
      const mean = centred ? row.reduce((sum, x) => sum + x, 0) / dModel : 0;
      const square = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / dModel;
      row.forEach((x, i) => data[at + i] = x / Math.sqrt(square + (centred ? 1e-5 : 1e-6)));
    }
    await using model = await openLanguageModel(folder, { hook, modelFile, threads: 1 });
    const directions = { data, rows: tokens.length, cols: dModel };
    const found = await model.unembed(directions, { finalNorm: true });
    const logits = (await model.logits(tokens, rows)).data.map((x) =>
      name === "gemma2" ? 30 * Math.atanh(x / 30) : x
    );
    // The norm's shift is the same at every position.
    const shift = found.data.subarray(0, 96).map((x, i) => logits[i] - x);
    const expected = found.data.map((x, i) => x + shift[i % 96]);
    assert(maxDifference(expected, logits) < 2e-5, `${name}: ${maxDifference(expected, logits)}`);
  }
});

Deno.test("directions that do not fit are refused, and a graph without an unembedding", async () => {
  const { folder } = loadFixture("gpt2");
  await using model = await openLanguageModel(folder, { hook, threads: 1 });
  const directions = { data: new Float32Array(10), rows: 2, cols: 5 };
  await assertRejects(
    () => model.unembed(directions),
    Error,
    "directions is [2, 5] with 10 numbers, expected [1 or more, 64]",
  );
  const other = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${other}/onnx`);
    await Deno.copyFile(`${folder}/config.json`, `${other}/config.json`);
    const bytes = await Deno.readFile(`${folder}/onnx/model.onnx`);
    const whole = fromBinary(ModelProtoSchema, bytes);
    // Logits that are made otherwise: their sign is turned twice.
    const last = whole.graph!.node.at(-1)!;
    whole.graph!.node.push(
      { ...last, name: "a", opType: "Neg", input: ["inner"], output: ["turned"], attribute: [] },
      { ...last, name: "b", opType: "Neg", input: ["turned"], output: ["logits"], attribute: [] },
    );
    last.output = ["inner"];
    await Deno.writeFile(`${other}/onnx/model.onnx`, toBinary(ModelProtoSchema, whole));
    await using odd = await openLanguageModel(other, { hook, threads: 1 });
    const { tokens, rows } = loadFixture("gpt2");
    assertEquals(await odd.crossEntropy(tokens, rows), await model.crossEntropy(tokens, rows));
    await assertRejects(
      () => odd.unembed({ data: new Float32Array(64), rows: 1, cols: 64 }),
      Error,
      "no unembedding is found: logits is not a product with constant weights",
    );
  } finally {
    await Deno.remove(other, { recursive: true });
  }
});
