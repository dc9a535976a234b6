import type { Device } from "../device/device.ts";
import type { InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import { massiveRows, recordedNormLimit } from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import type { ReadableModel } from "./encode_rows.ts";
import type { TextModel } from "./mean_activations.ts";

/** A token of a text, and the latents that are active on it. */
export interface TokenLatents {
  /** The token's text. */
  text: string;
  /** Its id. */
  token: number;
  /** The active latents, the largest activation first, and of equal ones the lower number. */
  latents: { latent: number; activation: number }[];
  /** Whether the activation at the hook is massive: what the SAE was trained without. No latents are listed. */
  massive: boolean;
}

/** Options of {@linkcode activeLatents}. */
export interface ActiveLatentsOptions extends InferenceOptions {
  /** Most latents per token (default: all). */
  most?: number;
}

/**
 * Which latents are active in a text, token by token. The text is read after BOS, whose own latents are not listed.
 *
 * @param model A model that is open at the SAE's hook.
 * @param text Not empty, and not longer than the model's context.
 * @throws {RangeError} The text has no tokens or more than the model takes, or the widths differ.
 *
 * @example
 * ```ts no-eval
 * import { loadSae, openDevice, openLanguageModel } from "@saewing/saewing";
 * import { activeLatents } from "@saewing/saewing/interpretation";
 *
 * using device = await openDevice();
 * const sae = await loadSae("runs/1024/sae");
 * await using model = await openLanguageModel("Xenova/gpt2", { hook: "blocks.8.hook_resid_pre" });
 * for (const { text, latents } of await activeLatents(device, model, sae, "The old king died.")) {
 *   console.log(text, latents[0]);
 * }
 * ```
 */
export async function activeLatents(
  device: Device,
  model: TextModel & Pick<ReadableModel, "tokenText">,
  sae: Sae,
  text: string,
  { most = Infinity, ...options }: ActiveLatentsOptions = {},
): Promise<TokenLatents[]> {
  if (sae.dModel !== model.dModel) {
    throw new RangeError(`the SAE's dModel is ${sae.dModel}, the hook's is ${model.dModel}`);
  }
  const tokens = model.tokenize(text);
  if (tokens.length === 0 || tokens.length >= model.maxContext) {
    throw new RangeError(
      `the text has ${tokens.length} tokens, expected 1 to ${model.maxContext - 1}`,
    );
  }
  const all = await model.activations(Int32Array.of(model.bosToken, ...tokens), 1);
  const x = {
    data: all.data.slice(all.cols),
    rows: tokens.length,
    cols: all.cols,
  };
  // A short text has no median norm of its own: only a recorded one is a limit.
  const massive = new Set(massiveRows(x, recordedNormLimit(sae) ?? "none"));
  using inference = openInference(device, sae, options);
  const { codes } = await inference.run(x);
  return Array.from(tokens, (token, row) => {
    const latents = [];
    for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
      latents.push({ latent: codes.latents[e], activation: codes.values[e] });
    }
    latents.sort((a, b) => b.activation - a.activation || a.latent - b.latent);
    const isMassive = massive.has(row);
    return {
      ...{ text: model.tokenText(token), token, massive: isMassive },
      latents: isMassive ? [] : latents.slice(0, most),
    };
  });
}
