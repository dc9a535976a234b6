import type { Sae } from "../sae/sae.ts";
import { assembleSae } from "./assemble_sae.ts";
import { named } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import { openTorch } from "./torch_file.ts";

/** Name of a Qwen Scope file. */
export const qwenScopeName = /^layer(\d+)\.sae\.pt$/;

/**
 * Loads a Qwen Scope SAE, a TopK: `layer{L}.sae.pt`, a dictionary of `W_enc` [m, d], `W_dec` [d, m], `b_enc`,
 * `b_dec`, which reads the output of layer L. k is in the name of the repository only,
 * `Qwen/SAE-Res-{model}-W{N}K-L0_{k}`. The decoder bias is not subtracted from the input.
 *
 * @throws {Error} The file is malformed, or nothing says k.
 */
export async function loadQwenScope(weights: string, request: LoadRequest): Promise<Sae> {
  await using file = await openTorch(weights);
  const { place, overrides } = request;
  const layer = /layer(\d+)\.sae\.pt$/.exec(weights)?.[1];
  const [, model, , k] = /SAE-Res-(.+?)-W(\d+)K-L0_(\d+)/.exec(place) ?? [];
  if (k === undefined && overrides?.k === undefined) {
    throw new Error(
      `k is missing: it stands in the name of the repository (SAE-Res-…-W32K-L0_50) only. Say it, config ` +
        `{ k: 50 }, for ${weights}`,
    );
  }
  return await assembleSae(file, {
    format: "qwen-scope",
    configPath: weights,
    config: {
      architecture: "topk",
      ...named("k", k && Number(k)),
      apply_b_dec_to_input: false,
      context_size: 1024,
      prepend_bos: true,
      model_from_pretrained_kwargs: {},
      ...named("model_name", model && `Qwen/${model}`),
      ...named("hook_name", layer && `blocks.${layer}.hook_resid_post`),
      ...named("hf_hook_name", layer && `model.layers.${layer}`),
    },
    weights: { wEnc: ["W_enc", "[m, d]"], wDec: ["W_dec", "[d, m]"], bEnc: "b_enc", bDec: "b_dec" },
  }, request);
}
