import { type Batches, openStream } from "../batches.ts";
import type { Device } from "../device/device.ts";
import {
  addSamples,
  createSampleSums,
  type SampleSums,
  sampleVariance,
} from "../evaluation/sample_sums.ts";
import type { Matrix } from "../matrix.ts";
import type { Walker } from "../ops/walk.ts";
import { createWalker } from "../ops/walk_entries.ts";
import type { Progress } from "../progress.ts";
import type { Encoded, Inference } from "../sae/encoded.ts";
import { openChecked } from "../sae/inference.ts";
import { transformInput } from "../sae/input_transform.ts";
import { decodingTarget, type NormalizedInput } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { checkStitchable } from "./check_stitchable.ts";

/** Two SAEs on a device, ready to be measured. Owns their buffers. */
export interface Pair {
  /** The device. */
  device: Device;
  /** SAE 0 of the paper. */
  small: Sae;
  /** SAE 1 of the paper. */
  large: Sae;
  /** Warnings: differences that can change what the numbers mean. */
  warnings: string[];
  /** Walks samples through the decoder rows of both SAEs, those of the small one first. */
  walker: Walker;
  /** ‖w‖² of each decoder row, and w · (b₀ − b₁): [m₀ + m₁] each, computed on first use. */
  products(): DecoderProducts;
  /** Encodes samples with both SAEs, [rows, d]. */
  encode(raw: Matrix): Promise<PairBatch>;
  /** Frees the buffers. */
  [Symbol.dispose](): void;
}

/** Products of decoder rows in float64; rows of the small SAE first. */
export interface DecoderProducts {
  /** b₀ − b₁, [d]. */
  difference: Float64Array;
  /** ‖w‖² of each row. */
  squares: Float64Array;
  /** w · (b₀ − b₁) of each row. */
  along: Float64Array;
}

/** A batch that both SAEs have encoded: what a {@linkcode Measure} gets. */
export interface PairBatch {
  /** The samples as given, [rows, d]. */
  raw: Matrix;
  /** The same, transformed as the SAEs' `inputTransform` says. */
  x: Matrix;
  /** The same, normalised, and the scale of each sample. */
  normalized: NormalizedInput;
  /** Their codes and reconstruction by SAE 0. */
  small: Required<Encoded>;
  /** Their codes and reconstruction by SAE 1. */
  large: Required<Encoded>;
}

/** Totals of the samples of a pass, independent of the SAEs. */
export interface Totals {
  /** Number of samples. */
  samples: number;
  /** Σ‖x − x̄‖², x̄ being their mean. */
  variance: number;
}

/** Something that is measured on a pair. Measures of one pass share its encodings. */
export interface Measure<T> {
  /** Adds a batch. */
  add(batch: PairBatch): void | Promise<void>;
  /** The result, after all batches. */
  result(totals: Totals): T;
}

/** Options of everything that reads activations. */
export interface StitchingOptions {
  /** Called after each batch with the number of samples that have been measured. */
  onProgress?: (progress: Progress) => void;
  /** Stops the measurement; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Uploads two SAEs to a device, to be measured together. Their weights are checked and uploaded once for
 * all measures: encoding and walks use the same decoders.
 *
 * @throws {RangeError | TypeError} The SAEs cannot be stitched (`checkStitchable`) or not be run.
 */
export function openPair(device: Device, small: Sae, large: Sae): Pair {
  const warnings = checkStitchable(small, large);
  let products: DecoderProducts | undefined;
  const opened: { [Symbol.dispose](): void }[] = [];
  const own = <T extends { [Symbol.dispose](): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const dispose = () => opened.forEach((one) => one[Symbol.dispose]());
  try {
    const [first, second] = [small, large].map((sae) => own(openChecked(device, sae)));
    const walker = own(createWalker(device, {
      dModel: small.dModel,
      decoders: [
        { rows: small.wDec, shards: first.weights.shards },
        { rows: large.wDec, shards: second.weights.shards },
      ],
    }));
    return {
      ...{ device, small, large, warnings, walker },
      products: () => products ??= decoderProducts(small, large),
      async encode(raw) {
        return {
          raw,
          x: transformInput(small, raw),
          small: await encodeWhole(first, raw),
          large: await encodeWhole(second, raw),
          normalized: decodingTarget(small, raw),
        };
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function encodeWhole(inference: Inference, x: Matrix): Promise<Required<Encoded>> {
  return await inference.run(x, { residual: true }) as Required<Encoded>;
}

function decoderProducts(small: Sae, large: Sae): DecoderProducts {
  const d = small.dModel;
  const difference = Float64Array.from(small.bDec, (value, c) => value - large.bDec[c]);
  const length = small.dictSize + large.dictSize;
  const [squares, along] = [new Float64Array(length), new Float64Array(length)];
  let latent = 0;
  for (const { wDec } of [small, large]) {
    for (let first = 0; first < wDec.length; first += d) {
      for (let c = 0; c < d; c++) {
        const w = wDec[first + c];
        squares[latent] += w * w;
        along[latent] += w * difference[c];
      }
      latent++;
    }
  }
  return { difference, squares, along };
}

/**
 * One pass over activations: each batch is encoded once by each SAE and given to all measures.
 *
 * @param batches Activations, [rows, d] each, in any number.
 * @returns The argument of the measures' `result`.
 * @throws {RangeError} There are no activations, their width is not the SAEs', or one is not finite.
 *
 * @example Effects of latents and swaps from one pass
 * ```ts ignore
 * using pair = openPair(device, small, large);
 * const measures = [measureLatents(pair), measureSwaps(pair, groups)] as const;
 * const totals = await readPair(pair, batches, measures);
 * const [effects, swaps] = measures.map((measure) => measure.result(totals));
 * ```
 */
export async function readPair(
  pair: Pair,
  batches: Batches,
  measures: readonly Measure<unknown>[],
  { signal, onProgress }: StitchingOptions = {},
): Promise<Totals> {
  const sums = createSampleSums(pair.small.dModel);
  const total = rowsOf(batches);
  for await (const raw of openStream(batches)) {
    signal?.throwIfAborted();
    const batch = await pair.encode(raw);
    for (const measure of measures) await measure.add(batch);
    addSamples(sums, batch.x);
    onProgress?.({ phase: "activations", done: sums.samples, ...total });
  }
  if (sums.samples === 0) throw new RangeError("there were no activations to measure on");
  return totalsOf(sums);
}

/** The number of samples, for progress, where they are a list. */
export function rowsOf(batches: Batches): { total?: number } {
  return Array.isArray(batches) ? { total: batches.reduce((sum, { rows }) => sum + rows, 0) } : {};
}

/** The totals that measures need. */
export function totalsOf(sums: SampleSums): Totals {
  return { samples: sums.samples, variance: sampleVariance(sums) };
}

/** A pass for one measure. */
export async function readOnce<T>(
  pair: Pair,
  batches: Batches,
  measure: Measure<T>,
  options: StitchingOptions = {},
): Promise<T> {
  return measure.result(await readPair(pair, batches, [measure], options));
}
