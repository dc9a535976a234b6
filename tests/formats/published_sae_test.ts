// One SAE of each family of published ones, in files that torch and safetensors wrote (tests/fixtures/published/make.py),
// with what its formula gives in float64.
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { loadLlamaScope } from "../../lib/formats/load_llama_scope.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { type Device, encode, openDevice, reconstruct, saveSae } from "../../mod.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { testOnDevices } from "../gpu_helper.ts";
import { gitHash, serveBytes, startFakeHub } from "../language_model/fake_hub.ts";

const folder = fromFileUrl(new URL("../fixtures/published", import.meta.url));
const { x, saes } = JSON.parse(Deno.readTextFileSync(join(folder, "expected.json"))) as {
  x: number[][];
  saes: Record<string, { f: number[][]; reconstruction: number[][] }>;
};
const samples = { data: Float32Array.from(x.flat()), rows: x.length, cols: x[0].length };

/** Owner, and what is told about the SAE: the same whether it is on disk or on the hub. */
const told: Record<string, Record<string, unknown>> = {
  "google/gemma-scope-2-270m": {
    architecture: "jumprelu",
    model: "google/gemma-3-270m",
    hook: "blocks.12.hook_resid_post",
    format: "gemma-scope-2",
  },
  "google/gemma-scope-2-1b": {
    architecture: "jumprelu",
    model: "google/gemma-3-1b-it",
    hook: "blocks.5.attn.hook_z",
    hf_hook_name: "model.layers.5.self_attn.o_proj.input",
  },
  "fnlp/Llama3_1": {
    architecture: "jumprelu",
    inputNormalization: "expected_average_only_in",
    inputScale: 7.9379845,
    model: "meta-llama/Llama-3.1-8B",
    hook: "blocks.12.hook_resid_post",
  },
  "fnlp/Llama-Scope-R1": {
    architecture: "jumprelu",
    inputScale: 7.01147096,
    model: "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
  },
  Qwen: {
    architecture: "topk",
    k: 50,
    model: "Qwen/Qwen3-1.7B-Base",
    hook: "blocks.12.hook_resid_post",
    format: "qwen-scope",
  },
  "canrager/lm_sae/pythia70m_sweep_standard": {
    architecture: "relu",
    model: "EleutherAI/pythia-70m-deduped",
    hook: "blocks.3.hook_resid_post",
    contextSize: 128,
    inputTransform: undefined,
  },
  "canrager/lm_sae/pythia70m_sweep_gated": {
    architecture: "jumprelu",
    folded: ["r_mag into the encoder, gate and magnitude into a threshold"],
  },
  "canrager/lm_sae/pythia70m_sweep_topk": { architecture: "topk", k: 3, threshold: undefined },
  andyrdt: { architecture: "batchtopk", k: 3 },
  adamkarvonen: { architecture: "matryoshka_batchtopk", k: 3, group_sizes: [2, 4] },
  "made/dictionary_learning/april": { architecture: "relu", subtractDecoderBias: false },
  "made/dictionary_learning/jumprelu": { architecture: "jumprelu", subtractDecoderBias: false },
  Goodfire: {
    architecture: "relu",
    model: "meta-llama/Llama-3.1-8B-Instruct",
    hook: "blocks.19.hook_resid_post",
    format: "goodfire",
  },
  qresearch: {
    architecture: "relu",
    model: "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    hook: "blocks.19.hook_resid_post",
  },
  ckkissane: {
    architecture: "relu",
    model: "gpt2-small",
    hook: "blocks.8.attn.hook_z",
    subtractDecoderBias: true,
  },
  "made/saelens": { architecture: "jumprelu", subtractDecoderBias: true },
};

/** By the names of SAELens's releases. */
const released: Record<string, string> = {
  "gemma-scope-2-270m-pt-res/layer_12_width_16k_l0_small": "google/gemma-scope-2-270m",
  "gemma-scope-2-1b-it-att-all/layer_5_width_16k_l0_big": "google/gemma-scope-2-1b",
  "llama_scope_lxr_8x/l12r_8x": "fnlp/Llama3_1",
  "llama_scope_r1_distill/l12r_800m_slimpajama": "fnlp/Llama-Scope-R1",
  "qwen-scope-3-1.7b-base-w32k-l50/layer12": "Qwen",
  "sae_bench_pythia70m_sweep_topk_ctx128_0730/blocks.3.hook_resid_post__trainer_0":
    "canrager/lm_sae/pythia70m_sweep_topk",
  "llama-3.1-8b-instruct-andyrdt/resid_post_layer_7_trainer_1": "andyrdt",
  "saebench_gemma-2-2b_width-2pow12_date-0108/blocks.12.hook_resid_post__trainer_0": "adamkarvonen",
  "goodfire-llama-3.1-8b-instruct/layer_19": "Goodfire",
  "deepseek-r1-distill-llama-8b-qresearch/blocks.19.hook_resid_post": "qresearch",
  "gpt2-small-hook-z-kk/blocks.8.hook_z": "ckkissane",
};

function assertTold(sae: Sae, wanted: Record<string, unknown>): void {
  const notes = sae.metadata.saeLens as Record<string, unknown> | undefined;
  const all: Record<string, unknown> = { ...notes, ...sae.metadata, ...sae };
  for (const [key, value] of Object.entries(wanted)) {
    if (key === "inputScale") assertAlmostEquals(sae.inputScale!, value as number, 1e-6);
    else assertEquals(all[key], value, key);
  }
}

function assertClose(found: ArrayLike<number>, wanted: number[]): void {
  assertEquals(found.length, wanted.length);
  wanted.forEach((value, i) => assertAlmostEquals(found[i], value, 2e-6 * (1 + Math.abs(value))));
}

Deno.test("published SAEs: every family is in the tables", () => {
  const names = Object.keys(saes);
  assertEquals(names.length, Object.keys(told).length);
  for (const start of Object.keys(told)) {
    assertEquals(names.filter((name) => name.startsWith(start)).length, 1, start);
  }
});

async function assertFormula(device: Device, name: string): Promise<void> {
  const { f, reconstruction } = saes[name];
  const sae = await loadSae(join(folder, name));
  const codes = await encode(device, sae, samples);
  const dense = new Float32Array(codes.rows * codes.cols);
  for (let row = 0; row < codes.rows; row++) {
    for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
      dense[row * codes.cols + codes.latents[e]] = codes.values[e];
    }
  }
  assert(f.flat().some((value) => value > 0) && f.flat().some((value) => value === 0), name);
  assertClose(dense, f.flat());
  assertClose((await reconstruct(device, sae, samples)).data, reconstruction.flat());
}

Deno.test("published SAEs: f and x̂ are those of each family's formula", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  for (const name of Object.keys(saes)) await assertFormula(device, name);
});

testOnDevices("published SAEs: a gated one's f and x̂", async (open) => {
  using device = await open();
  await assertFormula(device, Object.keys(saes).find((name) => name.includes("_gated_"))!);
});

Deno.test("published SAEs: model, hook and the like are told; saved and loaded they are the same", async () => {
  await withFolder(async (out) => {
    for (const name of Object.keys(saes)) {
      const start = Object.keys(told).find((start) => name.startsWith(start))!;
      const sae = await loadSae(join(folder, name));
      assertTold(sae, told[start]);
      assertEquals(sae.metadata.source, join(folder, name));
      await saveSae(sae, join(out, "saved"));
      const again = await loadSae(join(out, "saved"));
      assertEquals(again.threshold, sae.threshold);
      assertClose(again.wEnc, [...sae.wEnc]);
      assertEquals([again.architecture, again.k], [sae.architecture, sae.k]);
    }
  });
});

Deno.test("published SAEs: by the names of SAELens's releases, from the hub", async () => {
  await withFolder(async (cacheDir) => {
    await using hub = startFakeHub({
      files: {},
      answer: (asked) => {
        const path = decodeURIComponent(asked.path).replace("/resolve/main", "");
        try {
          const bytes = Deno.readFileSync(folder + path);
          return serveBytes(bytes, asked, `"${gitHash(bytes)}"`);
        } catch {
          const headers = { "x-error-code": "EntryNotFound" };
          return new Response(null, { status: 404, headers });
        }
      },
    });
    const reach = { endpoint: hub.endpoint, cacheDir, token: "", offline: false };
    for (const [release, start] of Object.entries(released)) {
      const sae = await loadSae(release, reach);
      assertTold(sae, told[start]);
      const name = Object.keys(saes).find((name) => name.startsWith(start))!;
      assertEquals(sae.wEnc, (await loadSae(join(folder, name))).wEnc);
      // The same by its path on the hub, with the cache's files.
      assertEquals((await loadSae(name, { ...reach, offline: true })).wEnc, sae.wEnc);
    }
    await assertRejects(
      () => loadSae("gemma-scope-2-270m-pt-transcoders-all/layer_0_width_16k_l0_big", reach),
      Error,
      "is a release of transcoders, not supported: a transcoder reads one point",
    );
  });
});

Deno.test("Llama Scope: what is no SAE of one hook is refused, with the reason", async () => {
  const at = join(folder, "fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L12R-8x");
  const given = JSON.parse(await Deno.readTextFile(join(at, "hyperparams.json")));
  await withFolder(async (out) => {
    const config = join(out, "hyperparams.json");
    for (
      const [change, error] of [
        [{ act_fn: "topk" }, 'act_fn is "topk", expected "jumprelu"'],
        [{ use_glu_encoder: true }, "use_glu_encoder is true"],
        [{ hook_point_out: "blocks.12.hook_mlp_out" }, "this is a transcoder"],
        [{ jump_relu_threshold: 0 }, "jump_relu_threshold is 0, expected a number above 0"],
        [{ dataset_average_activation_norm: 3 }, "dataset_average_activation_norm.in is missing"],
        [
          { d_model: 5 },
          "encoder.weight is of 4 dimensions and 6 latents, the config says 5 and 6",
        ],
      ] as const
    ) {
      await Deno.writeTextFile(config, JSON.stringify({ ...given, ...change }));
      const weights = join(at, "checkpoints/final.safetensors");
      const request = { source: "x", place: "x" };
      await assertRejects(() => loadLlamaScope(config, weights, request), Error, error);
    }
  });
});
