import { joinRows } from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";

/** The part of a language model that {@linkcode harvestActivations} uses. */
export interface HarvestModel {
  /** Name of the model, used in errors. */
  id: string;
  /** Width d of its activations. */
  dModel: number;
  /** Activations [tokens, d] of `rows` token rows, concatenated in `tokens`. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
}

/** Options of {@linkcode harvestActivations}. */
export interface HarvestOptions {
  /** Positions of each row that are kept, ascending. */
  kept: readonly number[];
  /** Token rows per model call. */
  rowsPerRun: number;
  /** Concurrent model calls. */
  prefetch: number;
  /** Activations after which to stop, those of calls that are not made included. */
  maxTokens: number;
  /** Whether a call is made, by its number from 0 on: the model does not run on the rows of others. */
  isWanted: (call: number) => boolean;
  /** Stops the stream. */
  signal?: AbortSignal;
}

/** Activations of one model call. */
export interface HarvestedRows extends Matrix {
  /** Number of the first among all activations of the texts. */
  first: number;
}

interface Run {
  call: number;
  rows: number;
  activations: Promise<Matrix>;
}

/**
 * Activations of token rows in order, one matrix per model call. While the consumer uses one, `prefetch`
 * further calls run. When the consumer stops, no more are started, and errors of running ones are ignored.
 *
 * @throws {Error} The model fails, returns another shape than expected, or a value that is not finite.
 */
export async function* harvestActivations(
  model: HarvestModel,
  tokenRows: AsyncIterable<Int32Array>,
  { kept, rowsPerRun, prefetch, maxTokens, isWanted, signal }: HarvestOptions,
): AsyncGenerator<HarvestedRows> {
  const source = tokenRows[Symbol.asyncIterator]();
  const underWay: Run[] = [];
  let ended = false;
  let calls = 0;

  const fill = async (): Promise<void> => {
    while (!ended && underWay.length < prefetch) {
      const call = calls++;
      const wanted = isWanted(call);
      const rows: Int32Array[] = [];
      for (let row = 0; row < rowsPerRun && !ended; row++) {
        signal?.throwIfAborted();
        const next = await source.next();
        if (next.done) ended = true;
        else if (wanted) rows.push(next.value);
      }
      if (rows.length === 0) continue;
      const activations = model.activations(joinRows(rows), rows.length);
      // It may fail before it is awaited, or never be awaited.
      activations.catch(() => {});
      underWay.push({ call, rows: rows.length, activations });
    }
  };

  try {
    await fill();
    for (let run = underWay.shift(); run; run = underWay.shift()) {
      const all = await run.activations;
      signal?.throwIfAborted();
      await fill();
      const firstRow = run.call * rowsPerRun;
      const some = keepPositions(model, all, run.rows, kept, firstRow);
      const first = firstRow * kept.length;
      const rows = Math.min(maxTokens - first, some.rows);
      if (rows <= 0) return;
      yield { data: some.data.subarray(0, rows * some.cols), rows, cols: some.cols, first };
      signal?.throwIfAborted();
    }
  } finally {
    await source.return?.();
  }
}

function keepPositions(
  { id, dModel: d }: HarvestModel,
  { data, rows: tokens, cols }: Matrix,
  rows: number,
  kept: readonly number[],
  firstRow: number,
): Matrix {
  const length = tokens / rows;
  if (cols !== d || data.length !== tokens * d || !(length > kept[kept.length - 1])) {
    throw new Error(
      `${id} gave activations [${tokens}, ${cols}] with ${data.length} elements for ${rows} ` +
        `token rows, expected ${d} columns`,
    );
  }
  const out = new Float32Array(rows * kept.length * d);
  let to = 0;
  for (let r = 0; r < rows; r++) {
    for (const position of kept) {
      const from = (r * length + position) * d;
      for (let j = 0; j < d; j++) {
        const value = data[from + j];
        if (!Number.isFinite(value)) {
          throw new Error(
            `${id} gave ${value} as activation ${j} of token row ${firstRow + r}, position ` +
              `${position}: expected finite numbers (a dtype of few bits can overflow: try "fp32")`,
          );
        }
        out[to++] = value;
      }
    }
  }
  return { data: out, rows: rows * kept.length, cols: d };
}
