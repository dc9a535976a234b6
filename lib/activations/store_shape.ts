import { rowBytes } from "./store_header.ts";
import type { StoreDtype } from "./stored_numbers.ts";

const BLOCK_BYTES = 2 ** 19;
const SHARD_BYTES = 2 ** 26;

/** Activations of a shard, and rows of a block, of a store of rows of width d. */
export function storeShape(
  dModel: number,
  { dtype = "float32", blockRows, rowsPerShard }: {
    dtype?: StoreDtype;
    blockRows?: number;
    rowsPerShard?: number;
  },
): { rowsPerShard: number; blockRows: number } {
  const bytes = rowBytes({ dtype, dModel });
  const fit = Math.max(1, Math.floor(BLOCK_BYTES / bytes));
  const block = blockRows ?? Math.min(fit, rowsPerShard ?? fit);
  const blocks = rowsPerShard === undefined
    ? Math.max(1, Math.floor(SHARD_BYTES / (block * bytes)))
    : Math.floor(rowsPerShard / block);
  return { rowsPerShard: blocks * block, blockRows: block };
}
