// What of published SAEs is refused, or has to be told: the files of tests/fixtures/published, changed.
import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadSae, type LoadSaeOptions } from "../../lib/formats/load_sae.ts";
import {
  openSafetensors,
  type TensorSource,
  writeSafetensors,
} from "../../lib/formats/safetensors.ts";
import { withFolder } from "../cli/cli_helper.ts";

const fixtures = fromFileUrl(new URL("../fixtures/published", import.meta.url));

type Json = Record<string, unknown>;

/** A copy of a fixture's folder under another name, its config changed. */
async function copy(
  folder: string,
  { from, to = "sae", config, change = (given) => given }: {
    from: string;
    to?: string;
    config?: string;
    change?: (given: Json) => Json;
  },
): Promise<string> {
  const out = join(folder, to);
  await Deno.mkdir(out, { recursive: true });
  for await (const { name } of Deno.readDir(join(fixtures, from))) {
    await Deno.copyFile(join(fixtures, from, name), join(out, name));
  }
  if (config) {
    const path = join(out, config);
    const given = JSON.parse(await Deno.readTextFile(path).catch(() => "{}")) as Json;
    await Deno.writeTextFile(path, JSON.stringify(change(given)));
  }
  return out;
}

const learned =
  "canrager/lm_sae/pythia70m_sweep_standard_ctx128_0712/resid_post_layer_3/trainer_10";
const trainer = (more: Json) => (given: Json) => ({
  ...given,
  trainer: { ...given.trainer as Json, ...more },
});

Deno.test("dictionary_learning: other classes and transcoders are refused, with the reason", async () => {
  const cases: [change: (given: Json) => Json, error: string][] = [
    [
      trainer({ dict_class: "CrossCoder" }),
      "MatryoshkaBatchTopKSAE: it reads several layers, an SAE",
    ],
    [trainer({ dict_class: "IdentityDict" }), "it has no weights"],
    [trainer({ dict_class: "Own" }), 'trainer.dict_class is "Own", expected one of AutoEncoder,'],
    [trainer({ dict_class: "toString" }), 'trainer.dict_class is "toString", expected one of'],
    [() => ({}), "trainer is missing, expected an object"],
    [(given) => ({ ...given, buffer: { io: "in_and_out" } }), "this is a transcoder, which is not"],
    [trainer({ activation_dim: 5 }), "is of 4 dimensions and 6 latents, the config says 5 and 6"],
    [trainer({ dict_class: "AutoEncoderTopK" }), "k is missing, expected a whole number from 1 to"],
    [trainer({ dict_class: "GatedAutoEncoder" }), "mag_bias is missing, expected [dictSize] = [6]"],
    [
      trainer({ dict_class: "BatchTopKSAE", k: 2 }),
      "threshold is missing, expected [dictSize] = [6]",
    ],
  ];
  for (const [change, error] of cases) {
    await withFolder(async (folder) => {
      const sae = await copy(folder, { from: learned, config: "config.json", change });
      await assertRejects(() => loadSae(sae), Error, error);
    });
  }
});

Deno.test("dictionary_learning: hooks of other submodules", async () => {
  for (
    const [submodule, hook] of [
      ["mlp_out_layer_3", "blocks.3.hook_mlp_out"],
      ["attention_out_layer_3", "blocks.3.hook_attn_out"],
      ["resid_pre_layer_3", "blocks.3.hook_resid_pre"],
      ["somewhere", undefined],
    ]
  ) {
    await withFolder(async (folder) => {
      const change = trainer({ submodule_name: submodule });
      const sae = await copy(folder, { from: learned, config: "config.json", change });
      assertEquals((await loadSae(sae)).metadata.hook, hook);
    });
  }
});

const scope = "google/gemma-scope-2-270m-pt/resid_post/layer_12_width_16k_l0_small";

Deno.test("Gemma Scope 2: transcoders are refused; without names in the path the config tells the hook", async () => {
  const changed = (change: Json, to?: string) => ({
    ...{ from: scope, to, config: "config.json" },
    change: () => change,
  });
  const cases: [Parameters<typeof copy>[1], error: string][] = [
    [changed({ affine_connection: false }), "is a transcoder or reads several layers"],
    [
      changed({ hf_hook_point_in: "a", hf_hook_point_out: "b" }),
      "is a transcoder or reads several",
    ],
    [
      { from: scope, to: "transcoder_all/layer_1_width_16k_l0_big" },
      "is a transcoder or reads sev",
    ],
    [changed({ architecture: "relu" }), 'architecture is "relu", expected "jump_relu"'],
  ];
  for (const [how, error] of cases) {
    await withFolder(async (folder) => {
      const sae = await copy(folder, how);
      await assertRejects(() => loadSae(sae), Error, error);
    });
  }
  await withFolder(async (folder) => {
    const module = "model.layers.7.post_feedforward_layernorm.output";
    const given = { hf_hook_point_in: module, model_name: "gemma-v3-4b-it" };
    const sae = await loadSae(await copy(folder, changed(given)));
    assertEquals([sae.metadata.hook, sae.metadata.model], [
      ...["blocks.7.hook_mlp_out", "google/gemma-3-4b-it"],
    ]);
    const plain = await loadSae(await copy(folder, { from: scope, to: "plain" }));
    assertEquals([plain.metadata.hook, plain.metadata.model], [undefined, undefined]);
    const path = join(folder, "affine/params.safetensors");
    await Deno.mkdir(join(folder, "affine"));
    const one = { shape: [1], data: new Float32Array(1) };
    await writeSafetensors(path, { affine_skip_connection: one });
    await assertRejects(() => loadSae(path), Error, "is a transcoder or reads several layers");
  });
});

Deno.test("what only a name tells has to be told where the name is another", async () => {
  await withFolder(async (folder) => {
    const refused = async (path: string, error: string, options?: LoadSaeOptions) =>
      void await assertRejects(() => loadSae(path, options), Error, error);
    const qwen = await copy(folder, { from: "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50" });
    await refused(qwen, "k is missing: it stands in the name of the repository");
    await refused(qwen, "k is 65, expected a whole number from 1 to", { config: { k: 65 } });
    assertEquals((await loadSae(qwen, { config: { k: 3 } })).k, 3);

    const mix = "fnlp/Llama-Scope-R1-Distill/800M-Slimpajama-0-OpenR1-Math-220k/L12R";
    const r1 = await copy(folder, { from: mix, to: "r1" });
    // The factor is missing, which is told where the SAE runs.
    const unknown = await loadSae(r1);
    assertEquals([unknown.inputNormalization, unknown.inputScale], [
      ...["expected_average_only_in", undefined],
    ]);
    const norm = { shape: [], data: Float32Array.of(0.5) };
    const path = join(folder, "r1/sae_weights.safetensors");
    await using file = await openSafetensors(path);
    const tensors: Record<string, TensorSource> = {};
    for (const [name, { shape }] of file.tensors) {
      const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
      await file.read(name, 0, data);
      tensors[name] = { shape, data };
    }
    const hook = "dataset_average_activation_norm.blocks.12.hook_resid_post";
    await writeSafetensors(path, { ...tensors, [hook]: norm });
    assertAlmostEquals((await loadSae(r1)).inputScale!, 4);

    const heads = await copy(folder, {
      ...{ from: "ckkissane/attn-saes-gpt2-small-all-layers", to: "heads" },
    });
    const names = [...Deno.readDirSync(heads)].map(({ name }) => name);
    const config = names.find((name) => name.endsWith(".json"))!;
    const weights = join(heads, names.find((name) => name.endsWith(".pt"))!);
    await Deno.writeTextFile(join(heads, config), JSON.stringify({ act_size: 5 }));
    await refused(weights, "W_enc is of 4 dimensions and 6 latents, the config says 5 and 6");
    await Deno.remove(join(heads, config));
    await refused(
      weights,
      "holds W_enc, W_dec, b_enc, b_dec: nothing says what it is. Expected ae.pt",
    );
    await Deno.copyFile(weights, join(heads, "other.pt"));
    await refused(heads, "it holds several: give one of its files gpt2-small_L8_Hcat");
  });
});
