import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { type InferenceOptions, openInference } from "../sae/inference.ts";
import {
  chooseNormLimit,
  massiveRows,
  type NormLimitChoice,
  withoutRows,
} from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { readFirstParts } from "../sae/separate_massive.ts";
import {
  type ActivationHistogram,
  createHistogram,
  type HistogramBuilder,
} from "./activation_histogram.ts";
import { chooseLatents } from "./choose_latents.ts";

/** What {@linkcode collectTopExamples} needs of a language model; `openLanguageModel` gives it. */
export interface ReadableModel {
  /** Width of the hook's activations. */
  dModel: number;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /** The text of one token. */
  tokenText(token: number): string;
}

/** A stretch of text in which a latent is active. */
export interface LatentExample {
  /** Number of the token row it comes from. */
  row: number;
  /** Position of the peak in that row. */
  position: number;
  /** Texts of the tokens around the peak. */
  tokens: string[];
  /** The latent's activation at each of these tokens; 0 where it is inactive. */
  activations: Float32Array;
  /** Index of the peak in `tokens` and `activations`. */
  peak: number;
}

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
  /** Contexts by falling peak activation, the lower row first of equal ones; one a token row. */
  examples: LatentExample[];
}

/** Options of {@linkcode collectTopExamples}. */
export interface TopExampleOptions extends InferenceOptions {
  /** Latents to look at, in the order of the result (default: `count` of various densities). */
  latents?: ArrayLike<number>;
  /**
   * Share of samples in which each latent is active, [m], as `evaluateSae` gives it; the default
   * latents are chosen by it. Without it, a first pass over the token rows measures it.
   */
  density?: ArrayLike<number>;
  /** Number of latents to choose where `latents` is not given (default 12). */
  count?: number;
  /** Most contexts a latent (default 8). */
  examples?: number;
  /** Tokens shown around a peak, as far as its row has them (default 12 before, 8 after). */
  window?: { before: number; after: number };
  /** Positions of a row that are neither measured nor shown. Default [0]: beginning of sequence. */
  skipPositions?: readonly number[];
  /**
   * Activations that are massive, in which no latent is looked for. If not given, those that the SAE was
   * trained without (`metadata.normLimit`), or where it does not say, what exceeds 10 times the median
   * norm of the first 4,096.
   */
  normLimit?: NormLimitChoice;
  /** Token rows a call of the model (default 16). */
  rowsPerRun?: number;
  /** Called after each call of the model with the share of the work that is done. */
  onProgress?: (done: number) => void;
  /** Stops the search; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Finds the contexts in which latents are most active. Token rows are held in memory, 4 bytes a
 * token; activations are not.
 *
 * @param tokenRows Rows of tokens, all of one length.
 * @returns One entry a latent, in the order of `latents`, or from the densest to the rarest.
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
  tokenRows: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  options: TopExampleOptions = {},
): Promise<LatentExamples[]> {
  const { count = 12, examples = 8, window = { before: 12, after: 8 }, rowsPerRun = 16 } = options;
  checkWhole({ count, examples, rowsPerRun }, 1);
  checkWhole({ "window.before": window.before, "window.after": window.after }, 0);
  checkSizes(model, sae, options);
  const { rows, length } = await collectRows(tokenRows);
  const positions = measuredPositions(length, options.skipPositions ?? [0]);
  let samples = 0;
  const given = options.latents !== undefined || options.density !== undefined;
  const passes = given ? 1 : 2;
  let seen = 0;

  using inference = openInference(device, sae, options);
  const activations = async (run: number): Promise<Matrix> => {
    options.signal?.throwIfAborted();
    const part = rows.slice(run * rowsPerRun, (run + 1) * rowsPerRun);
    const tokens = new Int32Array(part.length * length);
    part.forEach((row, r) => tokens.set(row, r * length));
    return gather(await model.activations(tokens, part.length), part.length, positions);
  };
  const runs = Math.ceil(rows.length / rowsPerRun);
  const choice = chooseNormLimit(options.normLimit, sae);
  const { limit, take } = await readFirstParts(choice, runs, activations);
  /** `places` has the place of each sample among the measured positions of all rows from `first` on. */
  const readRows = async (
    read: (codes: SparseMatrix, places: number[], first: number) => void,
  ): Promise<void> => {
    samples = 0;
    for (let run = 0; run < runs; run++) {
      const x = await take(run);
      const massive = massiveRows(x, limit);
      const ordinary = withoutRows(x, massive);
      const left = new Set(massive);
      const places = Array.from({ length: x.rows }, (_, place) => place)
        .filter((place) => !left.has(place));
      read((await inference.run(ordinary)).codes, places, run * rowsPerRun);
      samples += ordinary.rows;
      seen += x.rows / positions.length;
      options.onProgress?.(seen / (passes * rows.length));
    }
  };

  let density = options.density;
  if (!given) {
    const active = new Float64Array(sae.dictSize);
    await readRows(({ latents }) => latents.forEach((latent) => active[latent]++));
    density = active.map((actives) => actives / samples);
  }
  const chosen = Array.from(options.latents ?? chooseLatents(density!, count));
  const found = new Map(chosen.map((latent) => [latent, startLatent(positions.length)]));

  await readRows((codes, places, first) => {
    let sample = 0;
    for (let row = 0; sample < codes.rows; row++) {
      const end = (row + 1) * positions.length;
      for (const latent of found.values()) latent.peak = -1;
      for (; places[sample] < end; sample++) {
        const at = places[sample] % positions.length;
        for (let e = codes.rowOffsets[sample]; e < codes.rowOffsets[sample + 1]; e++) {
          const latent = found.get(codes.latents[e]);
          if (latent) addActivation(latent, at, codes.values[e]);
        }
      }
      for (const latent of found.values()) {
        if (latent.peak < 0) continue;
        keepPeak(latent, first + row, examples, window);
        latent.row.fill(0);
      }
    }
  });

  return chosen.map((latent) => {
    const { actives, histogram, peaks } = found.get(latent)!;
    return {
      latent,
      density: actives / samples,
      maxActivation: peaks[0]?.value ?? 0,
      histogram: histogram.finish(),
      examples: peaks.map(({ row, start, peak, activations }) => ({
        row,
        position: positions[start + peak],
        tokens: Array.from(
          activations,
          (_, i) => model.tokenText(rows[row][positions[start + i]]),
        ),
        activations,
        peak,
      })),
    };
  });
}

interface Peak {
  row: number;
  value: number;
  /** Where the window starts, and the peak in it, counted in measured positions. */
  start: number;
  peak: number;
  activations: Float32Array;
}

interface FoundLatent {
  actives: number;
  histogram: HistogramBuilder;
  peaks: Peak[];
  /** Activations in the current row, and where they peak; -1 where there are none. */
  row: Float32Array;
  peak: number;
}

function startLatent(length: number): FoundLatent {
  return {
    actives: 0,
    histogram: createHistogram(),
    peaks: [],
    row: new Float32Array(length),
    peak: -1,
  };
}

function addActivation(latent: FoundLatent, at: number, value: number): void {
  latent.actives++;
  latent.histogram.add(value);
  latent.row[at] = value;
  if (latent.peak < 0 || value > latent.row[latent.peak]) latent.peak = at;
}

// Rows come in order, so putting an equal peak behind the others keeps the lower row first.
function keepPeak(
  { peaks, row: all, peak }: FoundLatent,
  row: number,
  most: number,
  { before, after }: { before: number; after: number },
): void {
  const value = all[peak];
  const place = peaks.findLastIndex((other) => other.value >= value) + 1;
  if (place >= most) return;
  const start = Math.max(0, peak - before);
  const activations = all.slice(start, peak + after + 1);
  peaks.splice(place, 0, { row, value, start, peak: peak - start, activations });
  peaks.length = Math.min(peaks.length, most);
}

async function collectRows(
  tokenRows: AsyncIterable<Int32Array> | Iterable<Int32Array>,
): Promise<{ rows: Int32Array[]; length: number }> {
  const rows: Int32Array[] = [];
  for await (const row of tokenRows) {
    if (rows.length > 0 && row.length !== rows[0].length) {
      throw new RangeError(
        `token row ${rows.length} has ${row.length} tokens, the first ${rows[0].length}`,
      );
    }
    rows.push(row);
  }
  if (rows.length === 0) throw new RangeError("there were no token rows to find examples in");
  return { rows, length: rows[0].length };
}

function measuredPositions(length: number, skip: readonly number[]): number[] {
  const positions = Array.from({ length }, (_, position) => position)
    .filter((position) => !skip.includes(position));
  if (positions.length === 0) {
    throw new RangeError(`skipPositions leaves nothing of ${length} positions to measure`);
  }
  return positions;
}

function gather(x: Matrix, rows: number, positions: number[]): Matrix {
  const length = x.rows / rows;
  const own = new Float32Array(rows * positions.length * x.cols);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (const position of positions) {
      const from = (row * length + position) * x.cols;
      own.set(x.data.subarray(from, from + x.cols), to);
      to += x.cols;
    }
  }
  return { data: own, rows: rows * positions.length, cols: x.cols };
}

function checkWhole(numbers: Record<string, number>, least: number): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!(Number.isSafeInteger(value) && value >= least)) {
      throw new RangeError(`${name} is ${value}, expected a whole number from ${least}`);
    }
  }
}

function checkSizes(model: ReadableModel, sae: Sae, options: TopExampleOptions): void {
  if (model.dModel !== sae.dModel) {
    throw new RangeError(`the SAE's dModel is ${sae.dModel}, the hook's is ${model.dModel}`);
  }
  for (const latent of Array.from(options.latents ?? [])) {
    if (!(Number.isInteger(latent) && latent >= 0 && latent < sae.dictSize)) {
      throw new RangeError(`latents has ${latent}, expected latents below ${sae.dictSize}`);
    }
  }
  if (options.density && options.density.length !== sae.dictSize) {
    throw new RangeError(
      `density has ${options.density.length} entries, the SAE ${sae.dictSize} latents`,
    );
  }
}
