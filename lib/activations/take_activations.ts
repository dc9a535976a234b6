import { type Batches, openStream } from "../batches.ts";
import type { Matrix } from "../matrix.ts";
import type { Progress } from "../progress.ts";

/** Options of {@linkcode takeActivations}. */
export interface TakeOptions {
  /** Called after each batch with the activations taken so far. */
  onProgress?: (progress: Progress) => void;
  /** Stops between two batches; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Takes activations into memory, to be read several times.
 *
 * @param batches Activations, [rows, d] each; each batch is copied, since a store's share a buffer.
 * @param count Most activations.
 * @returns Batches with `count` activations in all, fewer where there are fewer.
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
