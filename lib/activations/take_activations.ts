import { type Batches, openStream } from "../batches.ts";
import type { Matrix } from "../matrix.ts";
import type { Progress } from "../progress.ts";

/** Options of {@linkcode takeActivations}. */
export interface TakeOptions {
  /** Called after each batch with the number of activations read. */
  onProgress?: (progress: Progress) => void;
  /** Stops between two batches; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Reads activations into memory, to be read several times.
 *
 * @param batches Activations, [rows, d] each; they are copied, because batches of a store share a buffer.
 * @param count Largest number of activations.
 * @returns Batches with `count` activations together, or with all if there are fewer.
 */
export async function takeActivations(
  batches: Batches,
  count: number,
  { onProgress, signal }: TakeOptions = {},
): Promise<Matrix[]> {
  const taken: Matrix[] = [];
  let total = 0;
  for await (const batch of openStream(batches)) {
    const rows = Math.min(batch.rows, count - total);
    taken.push({ ...batch, rows, data: batch.data.slice(0, rows * batch.cols) });
    total += rows;
    onProgress?.({ phase: "reading activations", done: total, total: count });
    if (total >= count) break;
  }
  signal?.throwIfAborted();
  return taken;
}
