import { type Batches, openStream } from "../batches.ts";
import type { Matrix } from "../matrix.ts";
import {
  checkNormLimit,
  DEFAULT_NORM_LIMIT,
  massiveRows,
  MEDIAN_ROWS,
  medianNorm,
  type NormLimit,
  type NormLimitChoice,
} from "./norm_limit.ts";

/** A matrix of a stream, and which of its rows are massive. */
export interface Separated {
  /** All rows. */
  all: Matrix;
  /** Those that are massive, ascending. */
  massive: number[];
}

/**
 * Finds the massive rows of a stream. If the median has to be measured, matrices are buffered
 * until {@linkcode MEDIAN_ROWS} rows are there; they are copied, so that a source may reuse its buffer.
 *
 * @param onLimit Called with the limit before the first matrix is given.
 */
export async function* separateMassive(
  batches: Batches,
  choice: NormLimitChoice,
  onLimit: (limit: NormLimit | "none") => void = () => {},
): AsyncGenerator<Separated> {
  let limit = choice === "none" || choice.medianNorm !== undefined ? choice : undefined;
  if (limit) onLimit(limit);
  let held: Matrix[] = [];
  let rows = 0;
  const measure = (multiple: number): NormLimit => {
    const limit = { multiple, medianNorm: medianNorm(held) };
    onLimit(limit);
    return limit;
  };
  for await (const batch of openStream(batches)) {
    if (limit) {
      yield { all: batch, massive: massiveRows(batch, limit) };
      continue;
    }
    held.push({ ...batch, data: batch.data.slice() });
    rows += batch.rows;
    if (rows < MEDIAN_ROWS) continue;
    limit = measure((choice as { multiple: number }).multiple);
    for (const all of held) yield { all, massive: massiveRows(all, limit) };
    held = [];
  }
  if (limit || rows === 0) return;
  limit = measure((choice as { multiple: number }).multiple);
  for (const all of held) yield { all, massive: massiveRows(all, limit) };
}

/** Parts of a text's activations, of which the first may have been read already. */
export interface ReadParts {
  /** What is massive. */
  limit: NormLimit | "none";
  /** The activations of a part; those that were read already are given once. */
  take(part: number): Promise<Matrix>;
}

/**
 * Measures a median norm, where it is yet to be measured, on the first parts of what can be read part
 * by part. They are kept, so that the model need not compute them again.
 *
 * @param measured The rows of a part that count.
 */
export async function readFirstParts(
  choice: NormLimitChoice,
  parts: number,
  read: (part: number) => Promise<Matrix>,
  measured: (x: Matrix) => Matrix = (x) => x,
): Promise<ReadParts> {
  const kept = new Map<number, Matrix>();
  const take = async (part: number): Promise<Matrix> => {
    const x = kept.get(part) ?? await read(part);
    kept.delete(part);
    return x;
  };
  if (choice === "none" || choice.medianNorm !== undefined) return { limit: choice, take };
  const first: Matrix[] = [];
  let rows = 0;
  for (let part = 0; part < parts && rows < MEDIAN_ROWS; part++) {
    const x = await read(part);
    kept.set(part, x);
    first.push(measured(x));
    rows += first[part].rows;
  }
  return { limit: { multiple: choice.multiple, medianNorm: medianNorm(first) }, take };
}

/**
 * Measures what is massive on the first 4,096 rows of a stream, or on all of fewer; no more are
 * taken. Real models have a few activations of 10 to 200 times the median norm, which hold
 * most of the variance: SAEs are trained and measured without them.
 *
 * @param batches Activations as the model gives them, in the order of the text.
 * @param options `multiple`: multiple of the median norm that is massive, 10 if not given; `signal` stops
 * the reading.
 * @throws {RangeError} The multiple is below 1.
 * @throws {Error} There are no rows.
 *
 * @example A limit that goes with the SAE
 * ```ts ignore
 * const normLimit = await measureNormLimit(orderedActivations(model, readTexts("corpus.jsonl")));
 * const batches = streamActivations(model, readTexts("corpus.jsonl"), { normLimit });
 * const { sae } = await trainSae(device, batches, { dictSize: 4096, k: 32, metadata: { normLimit } });
 * ```
 */
export async function measureNormLimit(
  batches: Batches,
  { multiple = DEFAULT_NORM_LIMIT.multiple, signal }: {
    multiple?: number;
    signal?: AbortSignal;
  } = {},
): Promise<NormLimit> {
  checkNormLimit({ multiple });
  const held: Matrix[] = [];
  let rows = 0;
  for await (const batch of openStream(batches)) {
    signal?.throwIfAborted();
    held.push({ ...batch, data: batch.data.slice() });
    rows += batch.rows;
    if (rows >= MEDIAN_ROWS) break;
  }
  if (rows === 0) throw new Error("there are no activations to measure the median norm on");
  return { multiple, medianNorm: medianNorm(held) };
}
