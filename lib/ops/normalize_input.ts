import { normalizeInput } from "../../kernels/normalize_input.ts";
import { scaleRows } from "../../kernels/scale_rows.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import { words } from "./words.ts";

/** A normalisation of samples; see `normalizeInput` of lib/sae, which this is on the GPU. */
export interface RowNormalization {
  /** Which; "none" is no work. */
  inputNormalization: "none" | "layer_norm" | "constant_norm_rescale" | "expected_average_only_in";
  /** expected_average_only_in: the factor. */
  inputScale?: number;
}

/**
 * Normalises a batch x of [rows, d] in place. `scale[r]` gets the raw units of a normalised one, and
 * `stats[0]` notes numbers that are not finite. A row whose squares underflow counts as zeros.
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
  const sizes = p.buffers.uniform(
    "normalize input sizes",
    words([rows, dModel], [1 / (inputScale ?? 1)]),
  );
  const bound = [sizes, x, scale, stats];
  p.kernel("normalize input", normalizeInput({ kind }), bound, rows);
}

/** x[r] *= scale[r], for x of [rows, cols]: takes errors of normalised samples to the raw space. */
export function scaleBatch(
  p: Program,
  { rows, cols, x, scale }: { rows: number; cols: number; x: DeviceBuffer; scale: DeviceBuffer },
): void {
  const numbers = rows * cols;
  const sizes = p.buffers.uniform("scale rows sizes", words([numbers, cols]));
  const workgroups = Math.ceil(numbers / 256);
  p.kernel("scale rows", scaleRows(), [sizes, scale, x], workgroups);
}
