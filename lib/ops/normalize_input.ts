import { normalizeInput } from "../../kernels/normalize_input.ts";
import { scaleRows } from "../../kernels/scale_rows.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { atomicMax, isFiniteNumber } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";

/** A normalization of samples, as `normalizeInput` of lib/sae. */
export interface RowNormalization {
  /** Kind of normalization. */
  inputNormalization: "none" | "layer_norm" | "constant_norm_rescale" | "expected_average_only_in";
  /** expected_average_only_in: the factor. */
  inputScale?: number;
}

/**
 * Normalizes a batch x of [rows, d] in place. `scale[r]` becomes the factor back to raw units, and
 * `stats[0]` records the first number that is not finite. A row whose squares underflow counts as zeros.
 */
export function normalizeBatch(
  p: Program,
  { normalization: { inputNormalization: kind, inputScale }, rows, dModel, x, scale, stats }: {
    normalization: RowNormalization;
    rows: number;
    dModel: number;
    x: DeviceBuffer;
    scale: DeviceBuffer;
    stats: DeviceBuffer;
  },
): void {
  if (kind === "none") return;
  if (isCpu(p.device)) {
    const own = { x: f32(x), scale: f32(scale), stats: u32(stats) };
    p.loop(
      normalizeRows,
      { ...own, kind, unit: Math.fround(1 / (inputScale ?? 1)), d: dModel },
      rows,
    );
    return;
  }
  p.kernel(normalizeInput({ kind }), {
    sizes: { rows, cols: dModel, unit: 1 / (inputScale ?? 1) },
    bind: { x, scale, bad: stats },
    workgroups: rows,
  });
}

/**
 * Converts errors e of normalized samples x_n to raw units, in place, all [rows, cols]. x̂_n is multiplied
 * by scale − epsilon, so that x − x̂ = scale · x_n − (scale − epsilon) · x̂_n = (scale − epsilon) · e +
 * epsilon · x_n.
 *
 * @param epsilon Number that "layer_norm" adds to the deviation when dividing, but not when multiplying;
 * else 0.
 */
export function scaleErrors(
  p: Program,
  { rows, cols, errors, input, scale, epsilon }: {
    rows: number;
    cols: number;
    errors: DeviceBuffer;
    input: DeviceBuffer;
    scale: DeviceBuffer;
    epsilon: number;
  },
): void {
  if (isCpu(p.device)) {
    const own = { errors: f32(errors), input: f32(input), scale: f32(scale) };
    p.loop(scaleErrorRows, { ...own, epsilon: Math.fround(epsilon), cols }, rows);
    return;
  }
  const numbers = rows * cols;
  p.kernel(scaleRows(), {
    sizes: { numbers, cols, epsilon },
    bind: { scale, input, x: errors },
    workgroups: Math.ceil(numbers / 256),
  });
}

/** The loop of {@linkcode normalizeBatch}, over rows; sums over a row are float64. */
export function normalizeRows(
  { x, scale, stats, kind, unit: given, d }: {
    x: Float32Array;
    scale: Float32Array;
    stats: Uint32Array;
    kind: RowNormalization["inputNormalization"];
    unit: number;
    d: number;
  },
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    const own = x.subarray(row * d, (row + 1) * d);
    let bad = 0;
    while (bad < d && isFiniteNumber(own[bad])) bad++;
    if (bad < d) {
      // Its mean would make the whole row not finite.
      atomicMax(stats, 0, ~(row * d + bad) >>> 0);
      own.fill(0);
      scale[row] = 1;
      continue;
    }
    let [mean, unit] = [0, given];
    if (kind !== "expected_average_only_in") {
      if (kind === "layer_norm") {
        for (let c = 0; c < d; c++) mean += own[c];
        mean /= d;
      }
      let squares = 0;
      for (let c = 0; c < d; c++) squares += (own[c] - mean) ** 2;
      unit = Math.fround(
        kind === "layer_norm"
          ? Math.sqrt(squares / Math.max(1, d - 1)) + 1e-5
          : Math.sqrt(squares / d),
      );
    }
    scale[row] = unit;
    for (let c = 0; c < d; c++) own[c] = unit === 0 ? 0 : (own[c] - mean) / unit;
  }
}

/** The loop of {@linkcode scaleErrors}, over rows. */
export function scaleErrorRows(
  { errors, input, scale, epsilon, cols }: {
    errors: Float32Array;
    input: Float32Array;
    scale: Float32Array;
    epsilon: number;
    cols: number;
  },
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    const size = scale[row] - epsilon;
    for (let at = row * cols; at < (row + 1) * cols; at++) {
      errors[at] = size * errors[at] + epsilon * input[at];
    }
  }
}
