// What SAELens decides beside its files: centring, factors of the input, what a BatchTopK SAE was.
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";
import { loadSae, type LoadSaeOptions } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import { encode } from "../../lib/sae/encode.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { openTestDevice, randomMatrix } from "../gpu_helper.ts";
import { v6, writeTheirs } from "./sae_helper.ts";

const shape = { d_in: 2, d_sae: 3 };
const gpt2 = { ...shape, model_name: "gpt2-small", hook_name: "blocks.8.hook_resid_pre" };

/** Loads a config, and gives what was told. */
async function load(cfg: unknown, options: LoadSaeOptions = {}) {
  const notes: string[] = [];
  const folder = await writeTheirs(cfg);
  const onNote = (note: string) => notes.push(note);
  return { sae: await loadSae(folder, { ...options, onNote }), notes, folder };
}

Deno.test("loadSae: whether activations have to be centred, and who says so", async () => {
  const kwargs = (center: boolean) => ({
    model_from_pretrained_kwargs: { center_writing_weights: center },
  });
  const found = async (cfg: unknown, options?: LoadSaeOptions) => {
    const { sae, notes } = await load(cfg, options);
    assert(notes.length <= 1, notes.join("\n"));
    return [sae.inputTransform ?? "none", notes.length === 1 ? "a rule" : "the config"];
  };
  const now = (metadata: Record<string, unknown>) => ({
    ...v6,
    normalize_activations: "none",
    metadata: { ...v6.metadata, ...metadata },
  });
  // The config says it.
  assertEquals(await found({ ...gpt2, ...kwargs(true) }), ["center", "the config"]);
  assertEquals(await found({ ...gpt2, ...kwargs(false) }), ["none", "the config"]);
  assertEquals(await found({ ...gpt2, model_from_pretrained_kwargs: {} }), ["none", "the config"]);
  assertEquals(await found(now(kwargs(true))), ["center", "the config"]);
  // A rule decides.
  const old = { sae_lens_training_version: "3.19.1" };
  assertEquals(await found(gpt2), ["center", "a rule"]);
  assertEquals(await found({ ...gpt2, ...old }), ["center", "a rule"]);
  assertEquals(await found({ ...gpt2, hook_name: "blocks.8.hook_mlp_out" }), ["center", "a rule"]);
  // SAELens 6 has saved an SAE of SAELens 3 again: it does not know who trained it.
  assertEquals(await found(now({ sae_lens_training_version: null })), ["center", "a rule"]);
  assertEquals(
    await found({ ...gpt2, model_name: "EleutherAI/pythia-70m" }),
    ["none", "a rule"],
  );
  // Neither is in question.
  for (const version of ["3.19.2", "6.0.0"]) {
    const cfg = { ...gpt2, sae_lens_training_version: version };
    assertEquals(await found(cfg), ["none", "the config"]);
  }
  assertEquals(await found({ ...gpt2, model_name: "gemma-2b" }), ["none", "the config"]);
  assertEquals(await found({ ...gpt2, hook_name: "blocks.8.attn.hook_z" }), ["none", "the config"]);
  assertEquals(
    await found({ ...gpt2, normalize_activations: "layer_norm" }),
    ["none", "the config"],
  );
  assertEquals(await found(now({})), ["none", "the config"]);
  // An option decides.
  assertEquals(await found(gpt2, { inputTransform: "none" }), ["none", "the config"]);
  assertEquals(await found(now({}), { inputTransform: "center" }), ["center", "the config"]);
  const said = { model_from_pretrained_kwargs: { center_writing_weights: true } };
  assertEquals(await found(now({}), { config: said }), ["center", "the config"]);
  const { notes } = await load(gpt2);
  assert(notes[0].includes("--input-transform none"), notes[0]);
});

Deno.test("loadSae: in the hub's cache a folder says which release it is", async () => {
  const cache = await Deno.makeTempDir();
  const at = async (repository: string, cfg: unknown) => {
    const folder = join(cache, `models--${repository.replace("/", "--")}`, "snapshots", "abc", "x");
    await Deno.mkdir(join(folder, ".."), { recursive: true });
    await Deno.rename(await writeTheirs(cfg), folder);
    const notes: string[] = [];
    const sae = await loadSae(folder, { onNote: (note) => notes.push(note) });
    return { ...sae, notes: notes.length };
  };
  // Whatever the config says, SAELens's list says that these are centred.
  const empty = { ...gpt2, model_from_pretrained_kwargs: {} };
  const ours = await at("jbloom/GPT2-Small-SAEs-Reformatted", empty);
  assertEquals([ours.inputTransform, ours.notes], ["center", 1]);
  const others = await at("someone/gpt2-saes", gpt2);
  assertEquals([others.inputTransform, others.notes], [undefined, 1]);
  const mistral = await at("JoshEngels/Mistral-7B-Residual-Stream-SAEs", {
    ...shape,
    normalize_activations: "none",
  });
  assertEquals(mistral.inputNormalization, "constant_norm_rescale");
});

Deno.test("an SAE that reads centred activations explains a shifted stream once it is loaded so", async () => {
  using gpu = await openTestDevice();
  const d = 8;
  // Directions in the space of centred activations, and a shift of each sample along (1, …, 1).
  const [latents, weights, shifts] = [randomMatrix(1, 4, d), randomMatrix(2, 512, 4), 3];
  const data = new Float32Array(512 * d);
  for (let r = 0; r < 512; r++) {
    for (let c = 0; c < d; c++) {
      for (let i = 0; i < 4; i++) {
        data[r * d + c] += Math.abs(weights.data[r * 4 + i]) * latents.data[i * d + c];
      }
      data[r * d + c] += shifts * Math.sin(r);
    }
  }
  const x = { data, rows: 512, cols: d };
  const { sae } = await trainSae(gpu, Array(100).fill(x), {
    ...{ architecture: "topk", dictSize: 16, k: 4, learningRate: 0.01 },
    inputTransform: "center",
  });
  const folder = await Deno.makeTempDir();
  await saveSae({ ...sae, metadata: { model: "gpt2-small", hook: gpt2.hook_name } }, folder);
  // As SAELens 6 saves an SAE of SAELens 3 again.
  const path = join(folder, "cfg.json");
  const { metadata: _, ...cfg } = JSON.parse(await Deno.readTextFile(path));
  const metadata = {
    ...{ sae_lens_version: "6.54.12", sae_lens_training_version: null },
    ...{ model_name: "gpt2-small", hook_name: gpt2.hook_name },
  };
  await Deno.writeTextFile(path, JSON.stringify({ ...cfg, metadata }));
  const explained = async (options?: LoadSaeOptions) =>
    (await evaluateSae(gpu, await loadSae(folder, options), [x], { normLimit: "none" }))
      .explainedVariance;
  const [own, off] = [await explained(), await explained({ inputTransform: "none" })];
  assert(own > 0.9, `${own}`);
  assert(off < 0.6, `${off}`);
});

Deno.test("loadSae: the factor of expected_average_only_in", async () => {
  using gpu = await openTestDevice();
  const cfg = { ...v6, normalize_activations: "expected_average_only_in" };
  const { sae, folder } = await load(cfg);
  const x = { data: Float32Array.of(1, 2), rows: 1, cols: 2 };
  const error = await assertRejects(() => encode(gpu, sae, x), RangeError, "inputScale is missing");
  for (const way of ["--input-scale", "normalize_activations=none", "as SAELens does"]) {
    assert(error.message.includes(way), error.message);
  }
  // Beside a checkpoint.
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const scaler = join(folder, "activation_scaler.json");
  await Deno.writeTextFile(scaler, '{"scaling_factor": 0.5, "has_whitening": false}');
  assertEquals((await loadSae(folder, { onNote })).inputScale, 0.5);
  assertEquals(notes.length, 1);
  assert(notes[0].includes(scaler), notes[0]);
  // An option.
  assertEquals((await loadSae(folder, { inputScale: 2, onNote })).inputScale, 2);
  assertEquals(notes.length, 1, "nothing to tell where an option says it");
  const none = { config: { normalize_activations: "none" } };
  assertEquals((await loadSae(folder, none)).inputScale, undefined);
  await assertRejects(
    () => loadSae(folder, { ...none, inputScale: 2 }),
    RangeError,
    "none has none",
  );
  await assertRejects(() => loadSae(folder, { inputScale: -2 }), RangeError, "above 0");
  // Not folded yet: nothing to undo.
  await Deno.writeTextFile(scaler, '{"scaling_factor": null, "has_whitening": false}');
  assertEquals((await loadSae(folder)).inputScale, undefined);
  await Deno.writeTextFile(scaler, '{"scaling_factor": "1"}');
  await assertRejects(
    () => loadSae(folder),
    Error,
    'scaling_factor is "1", expected a number above',
  );
  await Deno.writeTextFile(scaler, "{}");
  await assertRejects(() => loadSae(folder), Error, "scaling_factor is missing");
});

Deno.test("loadSae: factors that were published beside the SAEs", async () => {
  const published = async (cfg: Record<string, unknown>) => {
    const [d, m] = [1, cfg.d_sae as number];
    const folder = await writeTheirs({ d_in: d, normalize_activations: true, ...cfg }, {
      W_enc: [[d, m], Array(m).fill(1)],
      W_dec: [[m, d], Array(m).fill(1)],
      b_enc: [[m], Array(m).fill(0)],
      b_dec: [[d], [0]],
    });
    return (await loadSae(folder)).inputScale;
  };
  const mlp = { model_name: "gpt2-small", d_sae: 24576 };
  assertEquals(
    await published({ ...mlp, hook_point: "blocks.3.hook_mlp_out" }),
    1.8958522157897557,
  );
  assertEquals(await published({ ...mlp, hook_point: "blocks.12.hook_mlp_out" }), undefined);
  assertEquals(await published({ ...mlp, hook_point: "blocks.3.hook_resid_pre" }), undefined);
  const gemma = { model_name: "gemma-2b", d_sae: 16384 };
  assertEquals(
    await published({ ...gemma, hook_point: "blocks.12.hook_resid_post" }),
    0.21381938399317255,
  );
  assertEquals(await published({ ...gemma, hook_point: "blocks.6.hook_resid_post" }), undefined);
});

Deno.test("loadSae: a jumprelu SAE whose notes say that it was a batchtopk one", async () => {
  const trained = (notes: unknown, threshold = [2, 2, 2]) => async (options?: LoadSaeOptions) => {
    const metadata = { ...v6.metadata, ...notes as Record<string, unknown> };
    const cfg = { ...v6, architecture: "jumprelu", metadata };
    const { architecture, k } = await loadSae(
      await writeTheirs(cfg, { threshold: [[3], threshold] }),
      options,
    );
    return [architecture, k];
  };
  const details = { training_architecture_details: { k: 1.5, topk_threshold_lr: 0.01 } };
  const batch = { training_architecture: "batchtopk", ...details };
  assertEquals(await trained(batch)(), ["batchtopk", 1.5]);
  assertEquals(await trained({ training_architecture: "batchtopk", k: 2 })(), ["batchtopk", 2]);
  const nested = { ...batch, training_architecture: "matryoshka_batchtopk" };
  assertEquals(await trained(nested)(), ["matryoshka_batchtopk", 1.5]);
  // What does not fit is the jumprelu that it says.
  assertEquals(await trained(batch, [1, 2, 3])(), ["jumprelu", undefined]);
  assertEquals(await trained({ ...details, training_architecture: "jumprelu" })(), [
    "jumprelu",
    undefined,
  ]);
  assertEquals(await trained({ training_architecture: "batchtopk", k: 9 })(), [
    "jumprelu",
    undefined,
  ]);
  const config = { architecture: "jumprelu" };
  assertEquals(await trained(batch)({ config }), ["jumprelu", undefined]);
});

Deno.test("loadSae: whether rows began with BOS in training is kept", async () => {
  const metadata = { ...v6.metadata, prepend_bos: false };
  const { sae, notes } = await load({ ...v6, metadata });
  assertEquals(sae.metadata.prependBos, false);
  assertEquals(notes, []);
});

Deno.test("refusals say why", async () => {
  const refused = (cfg: unknown, text: string) => assertRejects(() => load(cfg), Error, text);
  await refused({ ...v6, architecture: "abstopk", k: 2 }, "largest absolute value");
  await refused(
    { ...v6, normalize_activations: "covariance_whitening" },
    "makes that part of the weights of an SAE that is done training",
  );
});

Deno.test("the factor of an SAE is what SAELens folds into it", async () => {
  using gpu = await openTestDevice();
  const folder = await writeTheirs({ ...v6, normalize_activations: "expected_average_only_in" });
  const sae = await loadSae(folder, { inputScale: 0.25 });
  const x = { data: Float32Array.of(1, -2, 3, 0.5), rows: 2, cols: 2 };
  const { values } = await encode(gpu, sae, x);
  // W_enc [2, 3] = 1 2 3 / 4 5 6, b_enc = 7 8 9; b_dec is not subtracted.
  const expected = [0, 1].flatMap((r) =>
    [0, 1, 2].map((i) => 0.25 * (x.data[2 * r] * (1 + i) + x.data[2 * r + 1] * (4 + i)) + 7 + i)
  );
  values.forEach((value, at) => assertAlmostEquals(value, expected[at], 1e-5));
});
