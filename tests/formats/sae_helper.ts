import { join } from "@std/path";
import { writeSafetensors } from "../../lib/formats/safetensors.ts";
import { createRandom } from "../../lib/random.ts";
import type { Architecture } from "../../lib/sae/architectures/own_options.ts";
import { architectureOf } from "../../lib/sae/architectures/registry.ts";
import type { Sae } from "../../lib/sae/sae.ts";

/** An SAE of random weights, of many magnitudes. */
export function makeSae(architecture: Architecture, d = 3, m = 5, seed = 1): Sae {
  const kind = architectureOf(architecture);
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
    ...(kind.k === "whole" ? { k: 1 } : kind.k === "mean" ? { k: 0.75 } : {}),
    ...(kind.threshold === "learned" ? { threshold: numbers(m) } : {}),
    ...(kind.threshold === "measured" ? { threshold: new Float32Array(m).fill(0.1) } : {}),
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: {},
  };
}

/** A folder as SAELens writes it: [d, m] = [2, 3]. */
export async function writeTheirs(
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

/** A `cfg.json` of SAELens 6. */
export const v6 = {
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
