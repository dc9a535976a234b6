import type { Matrix } from "../matrix.ts";
import { type UnitRows, unitRows } from "../ops/unit_rows.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * The decoder rows of two SAEs (or rows as such), measured, to be compared with one another.
 *
 * @throws {RangeError} The widths differ, there are no rows, or a number is not finite.
 */
export function decoderDirections(
  a: Sae | Matrix,
  nameA: string,
  b: Sae | Matrix,
  nameB: string,
): [UnitRows, UnitRows] {
  const [own, others] = [decoderRows(a), decoderRows(b)];
  if (own.cols !== others.cols) {
    throw new RangeError(
      `the rows of ${nameA} have ${own.cols} numbers, those of ${nameB} ${others.cols}: ` +
        `expected one width (dModel)`,
    );
  }
  const measuredA = unitRows(own, `the decoder of ${nameA}`);
  return [measuredA, a === b ? measuredA : unitRows(others, `the decoder of ${nameB}`)];
}
