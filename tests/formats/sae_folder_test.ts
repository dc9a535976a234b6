import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { loadSae, saveSae } from "../../lib/formats/sae_folder.ts";
import { writeSafetensors } from "../../lib/formats/safetensors.ts";
import { createRandom } from "../../lib/random.ts";
import type { Architecture, InputNormalization, Sae } from "../../lib/sae/sae.ts";

function makeSae(architecture: Architecture, d = 3, m = 5, seed = 1): Sae {
  const random = createRandom(seed);
  const numbers = (count: number) =>
    Float32Array.from({ length: count }, () => (random.uniform() - 0.5) * 10 ** random.below(9));
  return {
    architecture,
    dModel: d,
    dictSize: m,
    wEnc: numbers(m * d),
    bEnc: numbers(m),
    wDec: numbers(m * d),
    bDec: numbers(d),
    ...(architecture === "topk" ? { k: 1 } : architecture === "batchtopk" ? { k: 0.75 } : {}),
    ...(architecture === "jumprelu" ? { threshold: numbers(m) } : {}),
    ...(architecture === "batchtopk" ? { threshold: new Float32Array(m).fill(0.1) } : {}),
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: {},
  };
}

/** A folder as SAELens writes it: [d, m] = [2, 3]. */
async function writeTheirs(
  cfg: unknown,
  tensors: Record<string, [shape: number[], data: number[]] | undefined> = {},
): Promise<string> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    join(folder, "cfg.json"),
    typeof cfg === "string" ? cfg : JSON.stringify(cfg),
  );
  const all: typeof tensors = {
    W_enc: [[2, 3], [1, 2, 3, 4, 5, 6]],
    W_dec: [[3, 2], [3, 4, 0, 2, 0, 0]],
    b_enc: [[3], [7, 8, 9]],
    b_dec: [[2], [10, 11]],
    ...tensors,
  };
  const sources = Object.entries(all).filter(([, tensor]) => tensor !== undefined)
    .map(([name, tensor]) => [name, { shape: tensor![0], data: new Float32Array(tensor![1]) }]);
  await writeSafetensors(join(folder, "sae_weights.safetensors"), Object.fromEntries(sources));
  return folder;
}

const v6 = {
  architecture: "standard",
  d_in: 2,
  d_sae: 3,
  dtype: "float32",
  device: "cpu",
  apply_b_dec_to_input: false,
  normalize_activations: "layer_norm",
  reshape_activations: "none",
  metadata: {
    sae_lens_version: "6.18.0",
    model_name: "gpt2",
    hook_name: "blocks.8.hook_resid_pre",
    hook_head_index: null,
    context_size: 128,
    prepend_bos: true,
    dataset_path: "text",
    neuronpedia_id: "gpt2/8",
  },
};

Deno.test("saveSae and loadSae: every SAE comes back bit by bit", async () => {
  const folder = await Deno.makeTempDir();
  const metadata = fc.record({
    model: fc.option(fc.string()),
    hook: fc.oneof(fc.string(), fc.integer()),
    contextSize: fc.oneof(fc.nat(), fc.constant("many")),
    prependBos: fc.boolean(),
    model_name: fc.string(),
    note: fc.dictionary(fc.string().filter((key) => key !== "__proto__"), fc.nat()),
  }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Architecture>("relu", "topk", "batchtopk", "jumprelu"),
      fc.constantFrom<InputNormalization>(
        "none",
        "layer_norm",
        "expected_average_only_in",
        "constant_norm_rescale",
      ),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 90 }),
      fc.boolean(),
      metadata,
      async (architecture, inputNormalization, d, m, subtractDecoderBias, metadata) => {
        const sae = {
          ...makeSae(architecture, d, m, d * m),
          inputNormalization,
          subtractDecoderBias,
          metadata,
        };
        sae.wEnc[0] = -0;
        sae.wDec[0] = 1e-45;
        await saveSae(sae, folder);
        const loaded = await loadSae(folder);
        assertEquals(loaded, sae);
        assert(Object.is(loaded.wEnc[0], -0));
      },
    ),
    { numRuns: 40 },
  );
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  assertEquals(names, ["cfg.json", "sae_weights.safetensors"]);
});

Deno.test("saveSae: a matrix longer than one piece is transposed whole", async () => {
  const folder = await Deno.makeTempDir();
  const sae = makeSae("relu", 37, 70_001);
  await saveSae(sae, folder);
  assertEquals((await loadSae(join(folder, "cfg.json"))).wEnc, sae.wEnc);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("saveSae: cfg.json is what SAELens 6 reads", async () => {
  const folder = join(await Deno.makeTempDir(), "new", "folder");
  const metadata = { model: "gpt2", hook: "blocks.1.hook_resid_pre", contextSize: 128, tokens: 9 };
  await saveSae({ ...makeSae("batchtopk"), metadata }, folder);
  assertEquals(JSON.parse(await Deno.readTextFile(join(folder, "cfg.json"))), {
    architecture: "jumprelu",
    d_in: 3,
    d_sae: 5,
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: true,
    normalize_activations: "none",
    reshape_activations: "none",
    metadata: {
      sae_lens_version: "6.18.0",
      model_name: "gpt2",
      hook_name: "blocks.1.hook_resid_pre",
      context_size: 128,
      saewing: { version: 1, architecture: "batchtopk", k: 0.75, metadata },
    },
  });
  await saveSae(makeSae("topk"), folder);
  const topk = JSON.parse(await Deno.readTextFile(join(folder, "cfg.json")));
  assertEquals([topk.architecture, topk.k, topk.rescale_acts_by_decoder_norm], ["topk", 1, false]);
});

Deno.test("loadSae: SAELens 6 folders", async () => {
  const sae = await loadSae(await writeTheirs(v6));
  assertEquals(sae, {
    architecture: "relu",
    dModel: 2,
    dictSize: 3,
    wEnc: new Float32Array([1, 4, 2, 5, 3, 6]),
    bEnc: new Float32Array([7, 8, 9]),
    wDec: new Float32Array([3, 4, 0, 2, 0, 0]),
    bDec: new Float32Array([10, 11]),
    subtractDecoderBias: false,
    inputNormalization: "layer_norm",
    metadata: {
      model: "gpt2",
      hook: "blocks.8.hook_resid_pre",
      contextSize: 128,
      prependBos: true,
      dataset: "text",
      sae_lens_version: "6.18.0",
      neuronpedia_id: "gpt2/8",
    },
  });
  const threshold: [number[], number[]] = [[3], [0.1, 0.2, 0.3]];
  const jumprelu = await loadSae(
    await writeTheirs({ ...v6, architecture: "jumprelu" }, { threshold }),
  );
  assertEquals(jumprelu.architecture, "jumprelu");
  assertEquals(jumprelu.k, undefined);
  assertEquals(jumprelu.threshold, new Float32Array(threshold[1]));
  const batch = await loadSae(
    await writeTheirs({ ...v6, architecture: "batchtopk", k: 1.5 }, { topk_threshold: [[], [2]] }),
  );
  assertEquals([batch.architecture, batch.k], ["batchtopk", 1.5]);
  assertEquals(batch.threshold, new Float32Array([2, 2, 2]));
});

Deno.test("loadSae: selection by decoder norm is folded into the encoder", async () => {
  const cfg = { ...v6, architecture: "topk", k: 2, rescale_acts_by_decoder_norm: true };
  const sae = await loadSae(await writeTheirs(cfg));
  // Decoder rows [3, 4], [0, 2], [0, 0] have norms 5, 2 and 0.
  assertEquals(sae.wEnc, new Float32Array([5, 20, 4, 10, 0, 0]));
  assertEquals(sae.bEnc, new Float32Array([35, 16, 0]));
  assertEquals(sae.wDec, new Float32Array([3 / 5, 4 / 5, 0, 1, 0, 0]));
});

Deno.test("loadSae: flat configs from before SAELens 6", async () => {
  const flat = {
    model_name: "gpt2-small",
    hook_point: "blocks.8.hook_resid_pre",
    hook_point_layer: 8,
    d_in: 2,
    d_sae: 3,
    prepend_bos: false,
    normalize_activations: true,
    context_size: 64,
    lr: 4e-4,
  };
  const relu = await loadSae(await writeTheirs(flat, { scaling_factor: [[3], [1, 1, 1]] }));
  assertEquals(relu.architecture, "relu");
  assertEquals(relu.subtractDecoderBias, true);
  assertEquals(relu.inputNormalization, "expected_average_only_in");
  assertEquals(relu.metadata, {
    model: "gpt2-small",
    hook: "blocks.8.hook_resid_pre",
    hook_point_layer: 8,
    prependBos: false,
    contextSize: 64,
    lr: 4e-4,
  });
  const activation = { activation_fn_str: "topk", activation_fn_kwargs: { k: 2 } };
  const topk = await loadSae(await writeTheirs({ ...flat, ...activation }));
  assertEquals([topk.architecture, topk.k], ["topk", 2]);
  const hookName = { ...flat, hook_point: undefined, hook_name: "h", normalize_activations: null };
  const other = await loadSae(await writeTheirs({ ...hookName, architecture: "topk", k: 1 }));
  assertEquals([other.metadata.hook, other.inputNormalization], ["h", "none"]);
});

const refusedConfigs: [what: string, cfg: unknown, error: string][] = [
  ["empty", "", "is not JSON"],
  ["Python's NaN", '{"d_in": 2, "d_sae": 3, "k": NaN}', "is not JSON"],
  ["an array", "[]", "is not a JSON object"],
  ["gated", { ...v6, architecture: "gated" }, 'architecture is "gated", expected one of standard'],
  ["transcoder", { ...v6, architecture: "transcoder" }, "are not supported"],
  ["inherited name", { ...v6, architecture: "toString" }, "are not supported"],
  ["no width", { ...v6, d_in: undefined }, "d_in is missing, expected a whole number above 0"],
  ["fraction", { ...v6, d_sae: 2.5 }, "d_sae is 2.5"],
  ["huge", { ...v6, d_sae: 1e300 }, "d_sae is 1e+300"],
  [
    "topk without k",
    { ...v6, architecture: "topk" },
    "k is missing, expected a whole number from 1",
  ],
  ["k is null", { ...v6, architecture: "topk", k: null }, "k is missing"],
  ["k is text", { ...v6, architecture: "topk", k: "4" }, 'k is "4"'],
  [
    "k above d_sae",
    { ...v6, architecture: "topk", k: 4 },
    "k is 4, expected a whole number from 1 to d_sae = 3",
  ],
  ["k of relu", { ...v6, k: 2 }, "is this a topk SAE?"],
  ["tanh", { ...v6, activation_fn_str: "tanh-relu" }, "expected relu or topk"],
  ["normalisation", { ...v6, normalize_activations: "twice" }, 'normalize_activations is "twice"'],
  ["flag", { ...v6, apply_b_dec_to_input: "yes" }, "expected true or false"],
  ["newer marker", { ...v6, metadata: { saewing: { version: 2 } } }, "is saewing up to date?"],
  [
    "marker of another architecture",
    { ...v6, metadata: { saewing: { version: 1, architecture: "topk", k: 1 } } },
    "expected one that is stored as standard",
  ],
  [
    "other sizes",
    { ...v6, d_in: 3, d_sae: 2 },
    "W_enc is [2, 3], expected [dModel, dictSize] = [3, 2] in ",
  ],
  [
    "jumprelu without threshold",
    { ...v6, architecture: "jumprelu" },
    "threshold is missing, expected [dictSize] = [3]",
  ],
];

for (const [what, cfg, error] of refusedConfigs) {
  Deno.test(`loadSae: refused config, ${what}`, async () => {
    const folder = await writeTheirs(cfg);
    const found = await assertRejects(() => loadSae(folder), Error, error);
    assert(found.message.includes(folder), found.message);
  });
}

Deno.test("loadSae: refused weights", async () => {
  const refused = async (tensors: Parameters<typeof writeTheirs>[1], error: string) => {
    const folder = await writeTheirs(v6, tensors);
    const found = await assertRejects(() => loadSae(folder), Error, error);
    assert(found.message.includes(folder), found.message);
  };
  await refused(
    { W_dec: [[2, 3], [1, 2, 3, 4, 5, 6]] },
    "W_dec is [2, 3], expected [dictSize, dModel] = [3, 2]",
  );
  await refused({ b_enc: [[1, 3], [1, 2, 3]] }, "b_enc is [1, 3], expected [dictSize] = [3]");
  await refused({ b_dec: [[2], [0, NaN]] }, "bDec[1] is NaN, expected a number");
  await refused(
    { W_enc: [[2, 3], [1, 2, Infinity, 4, 5, 6]] },
    "wEnc[4] is Infinity, expected a number",
  );
  await refused({ scaling_factor: [[3], [1, 2, 1]] }, "scaling_factor is not all ones");
  await refused(
    { b_enc: undefined },
    "b_enc is missing, expected [dictSize] = [3], found W_enc, W_dec, b_dec",
  );
});

Deno.test("loadSae: missing files say which", async () => {
  const folder = await Deno.makeTempDir();
  await assertRejects(() => loadSae("someone/some-sae"), Error, "hub cannot be loaded yet");
  await assertRejects(() => loadSae(folder), Error, "it has no cfg.json");
  await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(v6));
  await assertRejects(() => loadSae(folder), Error, "there is no such file");
  await Deno.writeTextFile(join(folder, "sae_weights.safetensors"), "");
  await assertRejects(() => loadSae(folder), Error, "is 0 bytes long");
  await Deno.writeTextFile(join(folder, "notes.txt"), "");
  await assertRejects(() => loadSae(join(folder, "notes.txt")), Error, "expected a folder with");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => loadSae(folder, { signal }), Error, "enough");
});

Deno.test("saveSae: what cannot be saved says why, and leaves nothing", async () => {
  const folder = await Deno.makeTempDir();
  const refused = (change: Partial<Sae>, error: string, architecture: Architecture = "relu") =>
    assertRejects(
      () => saveSae({ ...makeSae(architecture), ...change }, join(folder, "sae")),
      Error,
      error,
    );
  await refused(
    { threshold: undefined },
    "cannot encode a single sample. Estimate one",
    "batchtopk",
  );
  await refused({ threshold: undefined }, "for a jumprelu SAE", "jumprelu");
  await refused({ threshold: new Float32Array(5) }, "a relu SAE has none");
  await refused({ k: NaN }, "k is NaN, expected a whole number from 1 to dictSize = 5", "topk");
  await refused({ k: 1.5 }, "k is 1.5", "topk");
  await refused({ wEnc: new Float32Array(14) }, "wEnc has 14 numbers, expected 15");
  await refused({ bDec: new Float32Array([1, NaN, 1]) }, "bDec[1] is NaN, expected a number");
  assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  const file = join(folder, "file");
  await Deno.writeTextFile(file, "");
  await assertRejects(() => saveSae(makeSae("relu"), file), Error, "expected a folder");
  await assertRejects(
    () => saveSae(makeSae("relu"), join(file, "sae")),
    Error,
    "expected a folder",
  );
  await Deno.mkdir(join(folder, "sae", "cfg.json"), { recursive: true });
  await assertRejects(() => saveSae(makeSae("relu"), join(folder, "sae")), Error, "cfg.json");
});
