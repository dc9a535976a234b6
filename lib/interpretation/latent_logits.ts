import type { Progress } from "../progress.ts";
import type { Matrix } from "../matrix.ts";
import { checkWhole } from "../whole_number.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatent } from "../sae/stitched_sae.ts";

/** What {@linkcode latentLogits} needs of a language model; `openLanguageModel` gives it. */
export interface UnembeddingModel {
  /** Directions of the residual stream times the unembedding, [n, d] → [n, vocabulary]. */
  unembed(directions: Matrix, options?: { finalNorm?: boolean }): Promise<Matrix>;
  /** The text of one token. */
  tokenText(token: number): string;
  /** Whether the hook's vectors are of the residual stream's space (default: they are). */
  inStream?: boolean;
  /** Name of the hook, for the error. */
  hook?: string;
}

/** A token, and what a latent adds to its logit per unit of activation. */
export interface TokenLogit {
  /** Token id. */
  token: number;
  /** The token's text. */
  text: string;
  /** The effect on its logit. */
  logit: number;
}

/** What a latent does to the logits directly, past all later layers. */
export interface LatentLogits {
  /** Number of the latent. */
  latent: number;
  /** Tokens with the largest effects, the largest first; of equal ones the lower token. */
  promoted: TokenLogit[];
  /** Tokens with the smallest effects, the smallest first; of equal ones the lower token. */
  suppressed: TokenLogit[];
  /** counts[b] of all tokens have an effect in bin b, bins of equal width from `low` to `high`. */
  histogram: { low: number; high: number; counts: Uint32Array };
}

/** Options of {@linkcode latentLogits}. */
export interface LatentLogitsOptions {
  /** Most promoted, and most suppressed tokens (default 10). */
  count?: number;
  /** Bins of the histogram (default 50). */
  bins?: number;
  /**
   * Whether decoder rows are multiplied by the final norm's scale first, and centred before that where
   * the norm centres (default false: W_dec · W_U, as SAEDashboard and Neuronpedia have it).
   */
  finalNorm?: boolean;
  /** Called after each block of latents with the number of those that are done. */
  onProgress?: (progress: Progress) => void;
  /** Stops the work; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

// Effects of a block are 64 MiB at most: 64 latents of Gemma 3, with its 262,144 tokens.
const blockNumbers = 2 ** 24;

/**
 * Which tokens latents promote and suppress: their decoder rows times the unembedding, W_dec · W_U.
 *
 * @param model The model, opened at a hook that the SAE writes to the residual stream at.
 * @param sae The SAE.
 * @param latents Numbers of latents, in the order of the result.
 * @param options What is kept.
 * @returns One entry per latent. An entry takes about 20 tokens and 50 bins.
 * @throws {RangeError} A latent is not in the SAE, or an option is out of range.
 * @throws {Error} The model's hook is inside of a layer; the unembedding is not found in the model's file, or has another width.
 *
 * @example Tokens of the first latents
 * ```ts no-eval
 * for (const { latent, promoted } of await latentLogits(model, sae, [0, 1, 2])) {
 *   console.log(latent, promoted.map(({ text }) => text));
 * }
 * ```
 */
export async function latentLogits(
  model: UnembeddingModel,
  sae: Pick<Sae, "wDec" | "dModel" | "dictSize">,
  latents: ArrayLike<number>,
  options: LatentLogitsOptions = {},
): Promise<LatentLogits[]> {
  const { count = 10, bins = 50, finalNorm = false, signal } = options;
  checkWhole(count, "count");
  checkWhole(bins, "bins");
  const { dModel, dictSize, wDec } = sae;
  if (model.inStream === false) {
    throw new Error(
      `${model.hook ?? "the hook"} is inside of a layer: its directions are not of the residual ` +
        `stream's space, and have no direct effect on logits, whatever their width is`,
    );
  }
  const wanted = Array.from(latents);
  wanted.forEach((latent, at) => checkLatent(latent, dictSize, `latents[${at}]`));
  const found: LatentLogits[] = [];
  // The vocabulary's size is known from the first answer.
  let block = 1;
  while (found.length < wanted.length) {
    signal?.throwIfAborted();
    const part = wanted.slice(found.length, found.length + block);
    const data = new Float32Array(part.length * dModel);
    part.forEach((latent, i) =>
      data.set(wDec.subarray(latent * dModel, (latent + 1) * dModel), i * dModel)
    );
    const effects = await model.unembed({ data, rows: part.length, cols: dModel }, { finalNorm });
    const { cols } = effects;
    for (const [i, latent] of part.entries()) {
      const row = effects.data.subarray(i * cols, (i + 1) * cols);
      const describe = (tokens: number[]) =>
        tokens.map((token) => ({ token, text: model.tokenText(token), logit: row[token] }));
      found.push({
        latent,
        promoted: describe(largest(row, count, 1)),
        suppressed: describe(largest(row, count, -1)),
        histogram: histogramOf(row, bins),
      });
    }
    block = Math.max(1, Math.floor(blockNumbers / cols));
    options.onProgress?.({ phase: "logits", done: found.length, total: wanted.length });
  }
  return found;
}

/** Places of the largest values times `sign`, the largest first; of equal ones the lower place. */
function largest(values: Float32Array, count: number, sign: 1 | -1): number[] {
  const places: number[] = [];
  let least = -Infinity;
  for (let at = 0; at < values.length; at++) {
    const value = sign * values[at];
    if (!(value > least) && places.length >= count) continue;
    let into = places.length;
    while (into > 0 && sign * values[places[into - 1]] < value) into--;
    places.splice(into, 0, at);
    if (places.length > count) places.pop();
    if (places.length === count) least = sign * values[places[count - 1]];
  }
  return places;
}

function histogramOf(values: Float32Array, bins: number): LatentLogits["histogram"] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const counts = new Uint32Array(bins);
  const scale = high > low ? bins / (high - low) : 0;
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) * scale))]++;
  return { low, high, counts };
}
