import { normalizeInput } from "../../kernels/normalize_input.ts";
import { scaleRows } from "../../kernels/scale_rows.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
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
export async function normalizeBatch(
  gpu: Gpu,
  buffers: BufferSet,
  { normalization: { inputNormalization: kind, inputScale }, rows, dModel, x, scale, stats }: {
    normalization: RowNormalization;
    rows: number;
    dModel: number;
    x: GPUBuffer;
    scale: GPUBuffer;
    stats: GPUBuffer;
  },
): Promise<Operation[]> {
  if (kind === "none") return [];
  const sizes = buffers.uniform(
    "normalize input sizes",
    words([rows, dModel], [1 / (inputScale ?? 1)]),
  );
  const bound = [sizes, x, scale, stats];
  return [await createOperation(gpu, "normalize input", normalizeInput({ kind }), bound, rows)];
}

/** x[r] *= scale[r], for x of [rows, cols]: takes errors of normalised samples to the raw space. */
export async function scaleBatch(
  gpu: Gpu,
  buffers: BufferSet,
  { rows, cols, x, scale }: { rows: number; cols: number; x: GPUBuffer; scale: GPUBuffer },
): Promise<Operation> {
  const numbers = rows * cols;
  const sizes = buffers.uniform("scale rows sizes", words([numbers, cols]));
  const workgroups = Math.ceil(numbers / 256);
  return await createOperation(gpu, "scale rows", scaleRows(), [sizes, scale, x], workgroups);
}
