import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

/** `train` on a good corpus, but for what a case changes. */
async function trainWith(
  change: Record<string, string | undefined>,
  folder: string,
): Promise<{ code: number; stderr: string }> {
  const options: Record<string, string | undefined> = {
    model: MODEL,
    hook: HOOK,
    text: await writeCorpus(folder),
    "dict-size": "64",
    k: "4",
    steps: "2",
    "batch-size": "128",
    buffer: "128",
    out: join(folder, "run"),
    ...change,
  };
  return await saewing([
    "train",
    ...Object.entries(options).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, value]
    ),
  ]);
}

const CASES: {
  name: string;
  change: (folder: string) => Promise<Record<string, string | undefined>>;
  code: number;
  error: RegExp;
}[] = [
  {
    name: "an unknown hook",
    change: () => Promise.resolve({ hook: "blocks.9.hook_resid_pre" }),
    code: 1,
    error: /blocks\.9\.hook_resid_pre[\s\S]*blocks\.3\.hook_resid_post/,
  },
  {
    name: "a hook of the wrong width",
    change: () => Promise.resolve({ hook: "logits" }),
    code: 1,
    error: /logits[\s\S]*128/,
  },
  {
    name: "a truncated .onnx",
    change: async (folder) => {
      const model = join(folder, "model");
      await Deno.mkdir(join(model, "onnx"), { recursive: true });
      for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
        await Deno.copyFile(join(MODEL, name), join(model, name));
      }
      const whole = await Deno.readFile(join(MODEL, "onnx/model.onnx"));
      await Deno.writeFile(join(model, "onnx/model.onnx"), whole.subarray(0, 3_000_000));
      return { model };
    },
    code: 1,
    error: /model\.onnx/,
  },
  {
    name: "a model that is not there",
    change: (folder) => Promise.resolve({ model: join(folder, "nothing") }),
    code: 1,
    error: /nothing/,
  },
  {
    name: "an empty corpus",
    change: async (folder) => {
      const text = join(folder, "empty.txt");
      await Deno.writeTextFile(text, "");
      return { text };
    },
    code: 1,
    error: /no text/,
  },
  {
    name: "a corpus of one word",
    change: async (folder) => {
      const text = join(folder, "word.txt");
      await Deno.writeTextFile(text, "word");
      return { text };
    },
    code: 1,
    error: /expected at least 127/,
  },
  {
    name: "text that is not there",
    change: (folder) => Promise.resolve({ text: join(folder, "none-*.txt") }),
    code: 1,
    error: /none-\*\.txt/,
  },
  { name: "k above m", change: () => Promise.resolve({ k: "65" }), code: 1, error: /k is 65.*64/ },
  { name: "k = 0", change: () => Promise.resolve({ k: "0" }), code: 1, error: /k is 0/ },
  {
    name: "k that is no number",
    change: () => Promise.resolve({ k: "many" }),
    code: 2,
    error: /--k is many, expected a number/,
  },
  {
    name: "a normalization that there is not, before the model is looked for",
    change: (folder) =>
      Promise.resolve({ model: join(folder, "no"), "input-normalization": "foo" }),
    code: 1,
    error: /inputNormalization is foo/,
  },
  {
    name: "a beta1 above 1, before the model is looked for",
    change: (folder) => Promise.resolve({ model: join(folder, "no"), beta1: "2" }),
    code: 1,
    error: /beta1 is 2/,
  },
  {
    name: "batches of no rows",
    change: (folder) => Promise.resolve({ model: join(folder, "no"), "batch-size": "0" }),
    code: 2,
    error: /--batch-size is 0, expected a whole number from 1 on/,
  },
  {
    name: "no dictionary size",
    change: () => Promise.resolve({ "dict-size": undefined }),
    code: 2,
    error: /--dict-size is missing/,
  },
  {
    name: "an unknown option",
    change: () => Promise.resolve({ colour: "blue" }),
    code: 2,
    error: /unknown option --colour/,
  },
  {
    name: "an unknown device",
    change: () => Promise.resolve({ device: "magic" }),
    code: 2,
    error: /magic.*auto, gpu, cpu or software/,
  },
  {
    name: "an output folder that cannot be written",
    change: async (folder) => {
      await Deno.writeTextFile(join(folder, "file"), "");
      return { out: join(folder, "file", "run") };
    },
    code: 1,
    error: /the output folder .*file.run cannot be written/,
  },
];

for (const { name, change, code, error } of CASES) {
  Deno.test(`train with ${name} says so`, async () => {
    await withFolder(async (folder) => {
      const ran = await trainWith(await change(folder), folder);
      assertMatch(ran.stderr, error);
      assertEquals(ran.code, code);
      // A message, not a stack.
      assertEquals(/^\s+at /m.test(ran.stderr), false, ran.stderr);
    });
  });
}

Deno.test("eval of a safetensors file with a lying header says so", async () => {
  await withFolder(async (folder) => {
    const text = await writeCorpus(folder);
    await Deno.writeTextFile(
      join(folder, "cfg.json"),
      JSON.stringify({ architecture: "standard", d_in: 128, d_sae: 4 }),
    );
    const header = new TextEncoder().encode(
      JSON.stringify({ W_enc: { dtype: "F32", shape: [128, 4], data_offsets: [0, 2 ** 40] } }),
    );
    const file = new Uint8Array(8 + header.length + 16);
    new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
    file.set(header, 8);
    await Deno.writeFile(join(folder, "sae_weights.safetensors"), file);
    const ran = await saewing(["eval", folder, "--text", text]);
    assertMatch(ran.stderr, /W_enc.*sae_weights\.safetensors|sae_weights\.safetensors.*W_enc/);
    assertEquals(ran.code, 1);
  });
});

Deno.test("an unknown command shows what there is", async () => {
  const ran = await saewing(["fly"]);
  assertMatch(ran.stderr, /no command fly[\s\S]*doctor[\s\S]*train[\s\S]*eval/);
  assertEquals(ran.code, 2);
});
