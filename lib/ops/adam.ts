import { adamVector } from "../../kernels/adam_vector.ts";
import { updateRows } from "../../kernels/update_rows.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
import type { SparseColumns } from "./gradients.ts";
import { words } from "./words.ts";

/** Adam's two running means of a parameter, zero at the start. */
export interface Moments {
  /** Mean of gradients. */
  first: GPUBuffer;
  /** Mean of squared gradients. */
  second: GPUBuffer;
}

/** Makes the moments of a parameter of `length` numbers. */
export function createMoments(buffers: BufferSet, length: number): Moments {
  return {
    first: buffers.zeros("first moment", length),
    second: buffers.zeros("second moment", length),
  };
}

/** What every update reads: the step's uniform (Adam's constants) and whether the run is frozen. */
export interface UpdateBuffers {
  /** Uniform {step, rate, correction, beta1, beta2, epsilon}. */
  step: GPUBuffer;
  /** [1] not zero: leave the weights alone. */
  frozen: GPUBuffer;
}

/** One step of Adam on a bias. */
export async function updateVector(
  gpu: Gpu,
  buffers: BufferSet,
  { length, value, gradient, moments, step, frozen, rateFactor = 1 }: {
    length: number;
    value: GPUBuffer;
    gradient: GPUBuffer;
    moments: Moments;
    /** What the learning rate is multiplied by (default 1). */
    rateFactor?: number;
  } & UpdateBuffers,
): Promise<Operation> {
  const sizes = buffers.uniform("adam sizes", words([length], [rateFactor]));
  const bound = [sizes, step, gradient, value, moments.first, moments.second, frozen];
  return await createOperation(gpu, "adam", adamVector(), bound, Math.ceil(length / 64));
}

/**
 * One step of Adam on rows of the encoder or decoder, gradients gathered on the way. Decoder rows
 * lose their gradient's parallel part and end with norm 1.
 */
export async function updateLatents(
  gpu: Gpu,
  buffers: BufferSet,
  { dModel, decoder, first, latents, half, w, moments, source, columns, step, frozen }: {
    dModel: number;
    decoder: boolean;
    first: number;
    latents: number;
    half: number;
    w: GPUBuffer;
    moments: Moments;
    source: GPUBuffer;
    columns: SparseColumns;
  } & UpdateBuffers,
): Promise<Operation> {
  const sizes = buffers.uniform("update sizes", words([latents, first, half]));
  const label = decoder ? "update decoder" : "update encoder";
  const bound = [
    sizes,
    step,
    w,
    moments.first,
    moments.second,
    source,
    columns.latentOffsets,
    columns.rows,
    columns.factors,
    frozen,
  ];
  return await createOperation(gpu, label, updateRows({ d: dModel, decoder }), bound, latents);
}
