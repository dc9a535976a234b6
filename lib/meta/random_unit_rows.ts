import type { Matrix } from "../matrix.ts";
import { makeUnitRows } from "../ops/unit_rows.ts";
import { createRandom } from "../random.ts";
import { checkWhole } from "../whole_number.ts";
import { normal } from "./normal.ts";

/**
 * Random directions, each as likely as any other, of norm 1: the control of a meta-SAE. What a
 * meta-SAE of the same shape explains of them is what it would explain of decoder rows without
 * structure.
 *
 * @param rows How many.
 * @param cols Their width d.
 * @param options `seed`: a whole number (default 0).
 * @throws {RangeError} A number is not a whole number above 0, or the seed not whole.
 */
export function randomUnitRows(
  rows: number,
  cols: number,
  { seed = 0 }: { seed?: number } = {},
): Matrix {
  checkWhole(rows, "rows");
  checkWhole(cols, "cols");
  const random = createRandom(seed);
  const data = new Float32Array(rows * cols);
  // Normal numbers have no preferred direction.
  for (let at = 0; at < data.length; at++) data[at] = normal(random);
  makeUnitRows({ x: data, d: cols }, 0, rows);
  return { data, rows, cols };
}
