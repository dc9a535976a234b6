import type { Progress } from "../progress.ts";
import type { Device } from "../device/device.ts";
import { joinRows } from "../language_model/token_rows.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import type { InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import {
  chooseNormLimit,
  massiveRows,
  type NormLimitChoice,
  withoutRows,
} from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { readFirstParts } from "../sae/separate_massive.ts";

/** What reading latents in texts needs of a language model; `openLanguageModel` gives it. */
export interface ReadableModel {
  /** Width of the hook's activations. */
  dModel: number;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /** The text of one token. */
  tokenText(token: number): string;
}

/** Options of everything that reads latents in token rows. */
export interface EncodeRowsOptions extends InferenceOptions {
  /** Positions of a row that are neither measured nor shown. Default [0]: beginning of sequence. */
  skipPositions?: readonly number[];
  /**
   * Activations that are massive, in which no latent is looked for. If not given, those that the SAE was
   * trained without (`metadata.normLimit`), or where it does not say, what exceeds 10 times the median
   * norm of the first 4,096.
   */
  normLimit?: NormLimitChoice;
  /** Token rows per call of the model (default 16). */
  rowsPerRun?: number;
  /** Calls of the model that are made, from `from` to `to` − 1 (default: all). */
  runs?: { from: number; to: number };
  /** Called when the rows of a call were taken, with the number of the next one. */
  onRun?: (next: number) => void | Promise<void>;
  /** Called after each call of the model, with the number of token rows. */
  onProgress?: (progress: Progress) => void;
  /** Stops the work; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Codes of one token row. */
export interface EncodedRow {
  /** Number of the row. */
  row: number;
  /** Codes of several rows. */
  codes: SparseMatrix;
  /** First of this row's samples in `codes`. */
  from: number;
  /** Place of each of the row's samples among the positions that are measured, ascending. */
  positions: number[];
}

/**
 * Encodes token rows, one after the other. The model reads the next rows while these are encoded.
 *
 * @param rows Token rows of one length.
 * @param take Called with each row, in order.
 * @returns The number of samples, massive ones left out.
 */
export async function encodeRows(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  rows: readonly Int32Array[],
  options: EncodeRowsOptions,
  take: (encoded: EncodedRow) => void,
): Promise<number> {
  const { rowsPerRun = 16 } = options;
  const positions = measuredPositions(rows[0].length, options.skipPositions);
  using inference = openInference(device, sae, options);
  const runs = Math.ceil(rows.length / rowsPerRun);
  const read = async (run: number): Promise<Matrix> => {
    options.signal?.throwIfAborted();
    const part = rows.slice(run * rowsPerRun, (run + 1) * rowsPerRun);
    return gather(await model.activations(joinRows(part), part.length), part.length, positions);
  };
  const parts = await readFirstParts(chooseNormLimit(options.normLimit, sae), runs, read);
  let samples = 0;
  const { from: first, to: end } = options.runs ?? { from: 0, to: runs };
  if (first >= end) return 0;
  let ahead = parts.take(first);
  for (let run = first; run < end; run++) {
    const x = await ahead;
    if (run + 1 < end) {
      ahead = parts.take(run + 1);
      // Where this run fails, nobody waits for the next one.
      ahead.catch(() => {});
    }
    const massive = massiveRows(x, parts.limit);
    const { codes } = await inference.run(withoutRows(x, massive));
    const left = new Set(massive);
    let from = 0;
    for (let r = 0; r * positions.length < x.rows; r++) {
      const own = positions.map((_, place) => place)
        .filter((place) => !left.has(r * positions.length + place));
      take({ row: run * rowsPerRun + r, codes, from, positions: own });
      from += own.length;
    }
    samples += codes.rows;
    const done = Math.min(rows.length, (run + 1) * rowsPerRun);
    options.onProgress?.({ phase: "contexts", done, total: rows.length });
    await options.onRun?.(run + 1);
  }
  return samples;
}

/** Positions of a row that are measured, ascending. */
export function measuredPositions(length: number, skip: readonly number[] = [0]): number[] {
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
