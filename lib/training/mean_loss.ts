import type { Matrix } from "../matrix.ts";
import type { Settings } from "./options.ts";
import { columnMeans } from "../mean.ts";

/** Steps from one record with `meanLoss` to the next. */
const EVERY = 100;

/** Whether a step's record has `meanLoss`: steps 1, 101, 201, …, however often records are read. */
export function hasMeanLoss(step: number): boolean {
  return step % EVERY === 1;
}

/**
 * The reconstruction loss that a batch's own mean would have in place of x̂: what an SAE must be below to
 * be of any use. With "input_deviation" the mean over n·d of (x − x̄)² / ‖x − x̄‖₂.
 *
 * @param x A batch as the SAE reads it, normalised, [n, d].
 */
export function meanLoss(
  { data, rows, cols }: Matrix,
  lossNormalization: Settings["lossNormalization"],
): number {
  const mean = columnMeans({ data, rows, cols });
  let sum = 0;
  for (let at = 0; at < data.length; at += cols) {
    let squares = 0;
    for (let c = 0; c < cols; c++) squares += (data[at + c] - mean[c]) ** 2;
    sum += lossNormalization === "input_deviation" ? Math.sqrt(squares) : squares;
  }
  return sum / (rows * cols);
}
