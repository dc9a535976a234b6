import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkCount } from "../sae/check_numbers.ts";
import { normal } from "./normal.ts";

/**
 * Random directions, each as likely as any other, of norm 1: the control of a meta-SAE. What a
 * meta-SAE of the same shape explains of them is what it would explain of decoder rows without
 * structure.
 *
 * @param rows How many.
 * @param cols Their width d.
 * @param seed A whole number (default 0).
 * @throws {RangeError} A number is not a whole number above 0, or the seed not whole.
 */
export function randomUnitRows(rows: number, cols: number, seed = 0): Matrix {
  checkCount(rows, "rows");
  checkCount(cols, "cols");
  const random = createRandom(seed);
  const data = new Float32Array(rows * cols);
  for (let at = 0; at < data.length; at += cols) {
    let squares = 0;
    for (let c = 0; c < cols; c++) {
      // Normal numbers have no preferred direction.
      const value = normal(random);
      data[at + c] = value;
      squares += value * value;
    }
    for (let c = 0; c < cols; c++) data[at + c] /= Math.sqrt(squares);
  }
  return { data, rows, cols };
}
