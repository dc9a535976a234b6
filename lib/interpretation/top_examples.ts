import { collectRows, type TokenRows } from "../language_model/token_rows.ts";
import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatent } from "../sae/stitched_sae.ts";
import { checkWhole } from "../whole_number.ts";
import type { ActivationHistogram } from "./activation_histogram.ts";
import { chooseLatents } from "./choose_latents.ts";
import {
  encodeRows,
  type EncodeRowsOptions,
  measuredPositions,
  type ReadableModel,
} from "./encode_rows.ts";
import { collectContexts, type LatentContext } from "./latent_contexts.ts";
import { type LatentExample, latentExample } from "./latent_example.ts";

/** Where a latent is active, and how strongly. */
export interface LatentExamples {
  /** Number of the latent. */
  latent: number;
  /** Share of the samples in which the latent is active. */
  density: number;
  /** Largest activation; 0 where the latent is never active. */
  maxActivation: number;
  /** Distribution of the activations above zero. */
  histogram: ActivationHistogram;
  /** Contexts by falling peak activation, the lower row first of equal ones; one per token row. */
  examples: LatentExample[];
}

/** Options of {@linkcode collectTopExamples}. */
export interface TopExampleOptions extends EncodeRowsOptions {
  /** Latents to look at, in the order of the result (default: `count` of various densities). */
  latents?: ArrayLike<number>;
  /** Number of latents to choose where `latents` is not given (default 12). */
  count?: number;
  /** Most contexts per latent (default 8). */
  examples?: number;
  /** Tokens shown around a peak, as far as its row has them (default 12 before, 8 after). */
  window?: { before: number; after: number };
}

/**
 * Finds the contexts in which latents are most active. Token rows are held in memory, 4 bytes per
 * token; activations are not.
 *
 * @param tokenRows Rows of tokens, all of one length.
 * @returns One entry per latent, in the order of `latents`, or from the densest to the rarest.
 * @throws {RangeError} There are no token rows, they differ in length, a latent is not in the SAE, or
 * the SAE's width is not the hook's.
 *
 * @example Where a trained SAE's latents are active
 * ```ts no-eval
 * const found = await collectTopExamples(device, model, sae, tokenRows, { count: 4 });
 * for (const { latent, examples } of found) {
 *   console.log(latent, examples.map(({ tokens, peak }) => tokens[peak]));
 * }
 * ```
 */
export async function collectTopExamples(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  tokenRows: TokenRows,
  options: TopExampleOptions = {},
): Promise<LatentExamples[]> {
  const { count = 12, examples = 8, window = { before: 12, after: 8 }, rowsPerRun = 16 } = options;
  checkWhole(count, "count");
  checkWhole(examples, "examples");
  if (rowsPerRun !== undefined) checkWhole(rowsPerRun, "rowsPerRun");
  checkWhole(window.before, "window.before", 0);
  checkWhole(window.after, "window.after", 0);
  checkSizes(model, sae, options);
  const rows = await collectRows(tokenRows, "find examples in");
  const positions = measuredPositions(rows[0].length, options.skipPositions);
  const seen = collectContexts({
    dictSize: sae.dictSize,
    latents: options.latents,
    length: positions.length,
    top: examples,
    perInterval: 0,
    window,
  });
  const samples = await encodeRows(
    ...[device, model, sae, rows, options] as const,
    ({ row, codes, from, positions }) => seen.add(row, codes, from, positions),
  );
  const density = (latent: number) => seen.read(latent).actives / samples;
  const chosen = options.latents ??
    chooseLatents(
      Float64Array.from({ length: sae.dictSize }, (_, latent) => density(latent)),
      count,
    );
  const shown = (context: LatentContext) => latentExample(context, rows, positions, model);
  return Array.from(chosen, (latent) => {
    const { maxActivation, histogram, top } = seen.read(latent);
    return {
      ...{ latent, density: density(latent), maxActivation, histogram },
      examples: top.map(shown),
    };
  });
}

function checkSizes(model: ReadableModel, sae: Sae, options: TopExampleOptions): void {
  if (model.dModel !== sae.dModel) {
    throw new RangeError(`the SAE's dModel is ${sae.dModel}, the hook's is ${model.dModel}`);
  }
  Array.from(options.latents ?? []).forEach((latent, at) =>
    checkLatent(latent, sae.dictSize, `latents[${at}]`)
  );
}
