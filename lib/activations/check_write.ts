import { createRandom } from "../random.ts";
import { checkNormLimit, type NormLimit, type NormLimitChoice } from "../sae/norm_limit.ts";
import { checkWhole } from "../whole_number.ts";
import type { StoreHeader } from "./store_header.ts";
import { STORE_DTYPES, type StoreDtype, TOO_LARGE } from "./stored_numbers.ts";

/** @throws {RangeError} An option is out of range. */
export function checkWriteOptions(options: {
  dtype?: StoreDtype;
  seed?: number;
  rowsPerShard?: number;
  blockRows?: number;
  normLimit?: NormLimitChoice;
}): void {
  const { dtype = "float32", seed = 0, rowsPerShard, blockRows } = options;
  if (!STORE_DTYPES.includes(dtype)) {
    const known = STORE_DTYPES.map((dtype) => `"${dtype}"`).join(" or ");
    throw new RangeError(`dtype is ${dtype}, expected ${known}`);
  }
  if (options.normLimit !== undefined) checkNormLimit(options.normLimit);
  for (const [name, count] of Object.entries({ rowsPerShard, blockRows })) {
    if (count !== undefined) checkWhole(count, name);
  }
  if (rowsPerShard !== undefined && blockRows !== undefined && rowsPerShard % blockRows !== 0) {
    throw new RangeError(
      `rowsPerShard is ${rowsPerShard}, expected a multiple of blockRows, which is ${blockRows}`,
    );
  }
  createRandom(seed);
}

/**
 * Checks that an unfinished store has the same options: its header describes all its rows.
 *
 * @throws {Error} An option differs.
 */
export function checkSame(found: StoreHeader, wanted: StoreHeader, folder: string): void {
  if (found.version !== wanted.version) {
    throw new Error(
      `${folder} holds an unfinished store that ${found.createdBy} began in another format: choose ` +
        `another folder, or overwrite it`,
    );
  }
  const names = ["model", "hook", "contextSize", "prependBos", "skipPositions"] as const;
  const more = ["dataset", "modelDtype"] as const;
  for (
    const name of [...names, ...more, "dtype", "rowsPerShard", "blockRows", "seed", "part"] as const
  ) {
    const [was, is] = [found[name], wanted[name]].map((value) => JSON.stringify(value));
    if (was === is) continue;
    throw new Error(
      `${folder} holds an unfinished store with ${name} ${was}, this run has ${is}: continue with ` +
        `the same options, choose another folder, or overwrite it`,
    );
  }
}

/**
 * The limit of an unfinished store.
 *
 * @throws {Error} The requested one is another.
 */
export function resumedLimit(
  { normLimit: found = "none" }: StoreHeader,
  requested: NormLimitChoice | undefined,
  folder: string,
): NormLimit | "none" {
  if (requested === undefined) return found;
  const same = requested === "none" || found === "none"
    ? requested === found
    : requested.multiple === found.multiple &&
      (requested.medianNorm === undefined || requested.medianNorm === found.medianNorm);
  if (same) return found;
  const words = [found, requested].map((limit) => JSON.stringify(limit));
  throw new Error(
    `${folder} holds an unfinished store with normLimit ${words[0]}, this run has ${
      words[1]
    }: continue ` +
      `with the same options, choose another folder, or overwrite it`,
  );
}

/** @throws {Error} A number of a row is not finite, or too large for the store. */
export function checkNumbers(row: Float32Array, index: number, dtype: StoreDtype): void {
  const { from, most } = TOO_LARGE[dtype];
  for (let i = 0; i < row.length; i++) {
    if (Math.abs(row[i]) < from) continue;
    const where = `row ${index}, column ${i}`;
    throw new Error(
      Number.isFinite(row[i])
        ? `${where} is ${row[i]}, the largest ${dtype} is ${most}: store them as float32`
        : `${where} is ${row[i]}, expected a finite number`,
    );
  }
}
