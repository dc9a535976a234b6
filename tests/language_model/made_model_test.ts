import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { startModelWorker } from "../../lib/language_model/model_worker.ts";
import { maxDifference } from "./fixtures.ts";
import { type MadeModel, madeReference, writeMadeModel } from "./made_model.ts";

const tokens = Int32Array.of(6, 0, 3, 5, 1);
const plain: MadeModel = { opset: 17, type: "FLOAT", parallel: false, extraInputs: false };

async function withMadeModel(
  settings: Partial<MadeModel>,
  run: (folder: string, reference: ReturnType<typeof madeReference>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const embedding = writeMadeModel(folder, { ...plain, ...settings });
    await run(folder, madeReference(embedding, tokens));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const cases: [string, Partial<MadeModel>, number][] = [
  ["operator set 11", { opset: 11 }, 1e-5],
  ["operator set 18", { opset: 18 }, 1e-5],
  ["parallel additions behind casts", { parallel: true }, 1e-5],
  ["a cache and a count of logits among the inputs", { extraInputs: true }, 1e-5],
  // 11 bits of mantissa: values near 8 are rounded by 4e-3, logits near 60 by 3e-2.
  ["a stream in float16", { type: "FLOAT16" }, 5e-2],
];

for (const [title, settings, bound] of cases) {
  Deno.test(title, async () => {
    await withMadeModel(settings, async (folder, { streams, loss }) => {
      const hook = "blocks.1.hook_resid_pre";
      await using model = await openLanguageModel(folder, { hook, threads: 1 });
      assertEquals([model.tensor, model.bosToken, model.maxContext], ["x1", 6, 16]);
      const stream = await model.activations(tokens, 1);
      assert(maxDifference(stream.data, streams[1]) < bound);
      const baseline = await model.crossEntropy(tokens, 1);
      assert(maxDifference(baseline, loss) < bound, `${baseline} is not ${loss}`);
      assertEquals(await model.crossEntropy(tokens, 1, stream), baseline);
    });
  });
}

Deno.test("additions that are not the stream's are not taken for it", async () => {
  await withMadeModel({}, async (folder) => {
    const open = () => openLanguageModel(folder, { hook: "?" });
    const { message } = await assertRejects(open, Error);
    assertStringIncludes(
      message,
      [
        "  blocks.0.hook_resid_pre = x0 [rows, positions, 4]",
        "  blocks.0.hook_attn_out = a0 [rows, positions, 4]",
        "  blocks.0.hook_resid_mid = m0 [rows, positions, 4]",
        "  blocks.0.hook_mlp_out = b0 [rows, positions, 4]",
        "  blocks.1.hook_resid_pre = blocks.0.hook_resid_post = x1 [rows, positions, 4]",
        "  blocks.1.hook_attn_out = a1 [rows, positions, 4]",
        "  blocks.1.hook_resid_mid = m1 [rows, positions, 4]",
        "  blocks.1.hook_mlp_out = b1 [rows, positions, 4]",
        "  blocks.1.hook_resid_post = x2 [rows, positions, 4]",
      ].join("\n"),
    );
  });
});

Deno.test("a model that the runtime refuses rejects every call, and can be closed", async () => {
  await withMadeModel({ opset: 10 }, async (folder) => {
    await using model = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_pre" });
    const calls = [model.crossEntropy(tokens, 1), model.crossEntropy(tokens, 1)];
    for (const call of calls) {
      const { message } = await assertRejects(() => call, Error);
      assertStringIncludes(message, "cross-entropy needs ONNX operator set 11 or later");
    }
    // The prefix needs no loss: it goes on working.
    assertEquals((await model.activations(tokens, 1)).rows, tokens.length);
  });
  await withMadeModel({}, async (folder) => {
    const hook = "blocks.1.hook_resid_pre";
    const device = "abacus" as "cpu";
    await assertRejects(
      () => openLanguageModel(folder, { hook, device }),
      RangeError,
      "the model's device is abacus, expected one of auto, cpu, webgpu, cuda, coreml, dml",
    );
  });
});

Deno.test("a worker that cannot start rejects what it was asked", async () => {
  const worker = startModelWorker({
    structure: Uint8Array.of(255),
    folder: "",
    tensor: "",
    width: 1,
    logits: "",
    dModel: 1,
    vocabSize: 1,
    device: "cpu",
    threads: 1,
  }, "broken");
  const ask = () =>
    worker.ask({ kind: "activations", tokens: Int32Array.of(1), rows: 1, points: [] });
  await assertRejects(ask, Error, "broken: ");
  await assertRejects(ask, Error, "broken: ");
  await worker.close();
});
