import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import { v6, writeTheirs } from "./sae_helper.ts";

Deno.test("loadSae: SAELens 6 folders", async () => {
  const folder = await writeTheirs(v6);
  const sae = await loadSae(folder);
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
      saeLens: { sae_lens_version: "6.18.0", hook_head_index: null, neuronpedia_id: "gpt2/8" },
      source: folder,
      format: "saelens",
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
  const nested = await loadSae(
    await writeTheirs({ ...v6, architecture: "matryoshka_batchtopk", k: 1 }),
  );
  assertEquals([nested.architecture, nested.k], ["matryoshka_batchtopk", 1]);
  assertEquals(nested.threshold, undefined);
});

Deno.test("loadSae: selection by decoder norm is folded into the encoder", async () => {
  const cfg = { ...v6, architecture: "topk", k: 2, rescale_acts_by_decoder_norm: true };
  const sae = await loadSae(await writeTheirs(cfg));
  // Decoder rows [3, 4], [0, 2], [0, 0] have norms 5, 2 and 0.
  assertEquals(sae.wEnc, new Float32Array([5, 20, 4, 10, 0, 0]));
  assertEquals(sae.bEnc, new Float32Array([35, 16, 0]));
  assertEquals(sae.wDec, new Float32Array([3 / 5, 4 / 5, 0, 1, 0, 0]));
  assertEquals((sae.metadata.folded as string[]).length, 1);
  // Saved and loaded again it is folded no second time.
  const folder = await Deno.makeTempDir();
  await saveSae(sae, folder);
  assertEquals(await loadSae(folder), sae);
});

Deno.test("loadSae: scaled activations are folded into the decoder", async () => {
  for (const name of ["scaling_factor", "finetuning_scaling_factor"]) {
    const tensors = { [name]: [[3], [2, 0.5, 1]] as [number[], number[]] };
    const sae = await loadSae(
      await writeTheirs({ ...v6, finetuning_scaling_factor: true }, tensors),
    );
    assertEquals(sae.wEnc, new Float32Array([1, 4, 2, 5, 3, 6]));
    assertEquals(sae.bEnc, new Float32Array([7, 8, 9]));
    assertEquals(sae.wDec, new Float32Array([6, 8, 0, 1, 0, 0]));
    assertEquals(sae.metadata.folded, [`${name} into the decoder`]);
  }
});

Deno.test("loadSae: a config that is wrong or says too little is helped by options", async () => {
  const folder = await writeTheirs({ d_in: 2, d_sae: 3, release: "my-topk-saes" });
  await assertRejects(
    () => loadSae(folder),
    Error,
    'release is "my-topk-saes": is this a topk SAE?',
  );
  const topk = await loadSae(folder, { config: { architecture: "topk", k: 2 } });
  assertEquals([topk.architecture, topk.k], ["topk", 2]);
  const relu = await loadSae(folder, { config: { architecture: "standard" } });
  assertEquals(relu.architecture, "relu");
  // The folder's name speaks where the config does not say what it is.
  const named = join(await Deno.makeTempDir(), "pythia_topk_ctx128", "sae");
  await Deno.mkdir(join(named, ".."));
  await Deno.rename(await writeTheirs({ d_in: 2, d_sae: 3 }), named);
  await assertRejects(() => loadSae(named), Error, 'its path is "pythia_topk_ctx128/sae"');
  await Deno.writeTextFile(join(named, "cfg.json"), JSON.stringify(v6));
  assertEquals((await loadSae(named)).architecture, "relu");
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
  const folder = await writeTheirs(flat, { scaling_factor: [[3], [1, 1, 1]] });
  const relu = await loadSae(folder);
  assertEquals(relu.architecture, "relu");
  assertEquals(relu.inputTransform, "center");
  assertEquals(relu.subtractDecoderBias, true);
  assertEquals(relu.inputNormalization, "expected_average_only_in");
  assertEquals(relu.metadata, {
    model: "gpt2-small",
    hook: "blocks.8.hook_resid_pre",
    prependBos: false,
    contextSize: 64,
    saeLens: { hook_point_layer: 8, lr: 4e-4 },
    source: folder,
    format: "saelens",
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
  ["gated", { ...v6, architecture: "gated" }, "b_mag is missing, expected [dictSize] = [3], found"],
  ["transcoder", { ...v6, architecture: "transcoder" }, "(a transcoder reads one point of the"],
  ["other width out", { ...v6, d_out: 3 }, "is 3, d_in is 2: this is a transcoder"],
  ["other hook out", { ...v6, hook_name_out: "h" }, 'is "h", d_in is 2: this is a transcoder'],
  ["unknown", { ...v6, architecture: "crosscoder" }, 'is "crosscoder", expected one of standard'],
  [
    "k without a name",
    { d_in: 2, d_sae: 3, activation_fn_kwargs: { k: 2 } },
    "is this a topk SAE?",
  ],
  ["topk by its name", { ...v6, metadata: { neuronpedia_id: "x/8-topk" } }, "is this a topk SAE?"],
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
  await refused(
    { scaling_factor: [[3], [1, 2, 1]] },
    "scaling_factor is not all ones, but finetuning_scaling_factor is not true",
  );
  await refused({ threshold: [[3], [1, 1, 1]] }, "is this a jumprelu SAE?");
  await refused({ r_mag: [[3], [1, 1, 1]] }, "r_mag makes this a gated SAE");
  await refused({ W_skip: [[2, 2], [1, 1, 1, 1]] }, "W_skip makes this a transcoder");
  await refused(
    { b_enc: undefined },
    "b_enc is missing, expected [dictSize] = [3], found W_enc, W_dec, b_dec",
  );
});

Deno.test("loadSae: missing files say which", async () => {
  const folder = await Deno.makeTempDir();
  await assertRejects(() => loadSae(folder), Error, "it has no cfg.json");
  await Deno.writeTextFile(join(folder, "cfg.json"), JSON.stringify(v6));
  await assertRejects(() => loadSae(folder), Error, "it has no sae_weights.safetensors");
  await Deno.writeTextFile(join(folder, "sae_weights.safetensors"), "");
  await assertRejects(() => loadSae(folder), Error, "is 0 bytes long");
  await Deno.writeTextFile(join(folder, "notes.txt"), "");
  await assertRejects(() => loadSae(join(folder, "notes.txt")), Error, "expected a folder with");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => loadSae(folder, { signal }), Error, "enough");
});
