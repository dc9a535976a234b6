import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inspectModel } from "../../lib/language_model/inspect_model.ts";
import { readModelConfig } from "../../lib/language_model/model_config.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { loadFixture } from "./fixtures.ts";

const config = { model_type: "llama", hidden_size: 4, num_hidden_layers: 2, vocab_size: 8 };

function basesOf(more: object): number[] {
  return readModelConfig(JSON.stringify({ ...config, ...more }), "config.json").rotaryBases;
}

Deno.test("config.json's bases are found in the ways that transformers 4 and 5 write them", () => {
  assertEquals(basesOf({}), []);
  assertEquals(basesOf({ rope_theta: 1e5, rope_scaling: null }), [1e5]);
  assertEquals(basesOf({ rope_parameters: { rope_theta: 5e5, rope_type: "default" } }), [5e5]);
  assertEquals(basesOf({ rope_theta: 1e6, rope_local_base_freq: 1e4 }), [1e6, 1e4]);
  assertEquals(
    basesOf({
      rope_parameters: {
        full_attention: { rope_theta: 1e6, rope_type: "linear", factor: 8 },
        sliding_attention: { rope_theta: 1e4 },
      },
    }),
    [1e6, 1e4],
  );
  assertEquals(basesOf({ rope_parameters: null, rope_theta: "1e4" }), []);
});

/** A fixture with another config.json, in a folder that is removed afterwards. */
async function withConfig(
  name: string,
  change: object,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const { folder } = loadFixture(name);
  const copy = await Deno.makeTempDir();
  try {
    const config = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
    await Deno.writeTextFile(join(copy, "config.json"), JSON.stringify({ ...config, ...change }));
    await Deno.mkdir(join(copy, "onnx"));
    for await (const { name: file } of Deno.readDir(join(folder, "onnx"))) {
      await Deno.copyFile(join(folder, "onnx", file), join(copy, "onnx", file));
    }
    await use(copy);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

// Frequencies as an initialiser (dynamo, also in half precision), as a table of sines (model builder)
// and as a Constant node (TorchScript).
for (
  const [name, modelFile] of [
    ["llama", "model"],
    ["llama", "model_q4f16"],
    ["llama", "builder"],
    ["gemma2", "model"],
  ]
) {
  Deno.test(`${name}, ${modelFile}: a base that is not config.json's is a warning`, async () => {
    const { folder } = loadFixture(name);
    const same = await inspectModel(folder, { modelFile });
    assertEquals(same.note?.includes("rotates"), undefined);
    const change = { rope_parameters: { rope_theta: 100_000, rope_type: "default" } };
    await withConfig(name, change, async (copy) => {
      const { note } = await inspectModel(copy, { modelFile });
      assertStringIncludes(note!, `${modelFile}.onnx: the graph rotates positions with base 1`);
      assertStringIncludes(note!, `config.json says 100000. An exporter with transformers 4`);
      const { 1: base } = /base (\d+),/.exec(note!)!;
      // Half precision has 11 bits.
      assertEquals(Math.abs(Number(base) / 10_000 - 1) < 0.02, true, base);
    });
    // Without a base in config.json nothing can be said, and one of several is enough.
    for (const named of [null, { full: { rope_theta: 1e6 }, sliding: { rope_theta: 1e4 } }]) {
      await withConfig(name, { rope_parameters: named }, async (copy) => {
        assertEquals((await inspectModel(copy, { modelFile })).note, undefined);
      });
    }
  });
}

Deno.test("an opened model has the warning too, and none where all is well", async () => {
  const hook = "blocks.1.hook_resid_pre";
  await using right = await openLanguageModel(loadFixture("llama").folder, { hook });
  assertEquals(right.warnings, []);
  await withConfig("llama", { rope_parameters: { rope_theta: 5e5 } }, async (copy) => {
    await using wrong = await openLanguageModel(copy, { hook });
    assertEquals(wrong.warnings.length, 1);
    assertStringIncludes(wrong.warnings[0], "with base 10000, config.json says 500000");
  });
});
