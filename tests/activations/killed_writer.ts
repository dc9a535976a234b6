// Writes a store to the folder given as argument, slowly enough to be killed while writing.
import { writeActivations } from "../../lib/activations/write_activations.ts";
import { description } from "./store_helper.ts";

/** Rows of the store that is written. */
export const ROWS = 1600;

/** The store's shape: 16 shards of 100 rows of 64 numbers. */
export const options = { ...description, blockRows: 10, rowsPerShard: 100 };

/** Rows in batches of 50, `pause` milliseconds apart, from a multiple of 50 on. */
export async function* slowly(pause: number, firstRow = 0) {
  for (let first = firstRow; first < ROWS; first += 50) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const data = Float32Array.from({ length: 50 * 64 }, (_, i) => first * 64 + i);
    yield { data, rows: 50, cols: 64 };
  }
}

if (import.meta.main) {
  await writeActivations(slowly(10, 0), Deno.args[0], {
    ...options,
    startAt: (firstRow) => slowly(10, firstRow),
  });
}
