import { adamVector } from "../../kernels/adam_vector.ts";
import { updateRows } from "../../kernels/update_rows.ts";
import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import type { SparseColumns } from "./gradients.ts";
import { words } from "./words.ts";

/** Adam's two running means of a parameter, zero at the start. */
export interface Moments {
  /** Mean of gradients. */
  first: DeviceBuffer;
  /** Mean of squared gradients. */
  second: DeviceBuffer;
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
  step: DeviceBuffer;
  /** [1] not zero: leave the weights alone. */
  frozen: DeviceBuffer;
}

/** One step of Adam on a bias. */
export function updateVector(
  p: Program,
  { length, value, gradient, moments, step, frozen, rateFactor = 1 }: {
    length: number;
    value: DeviceBuffer;
    gradient: DeviceBuffer;
    moments: Moments;
    /** What the learning rate is multiplied by (default 1). */
    rateFactor?: number;
  } & UpdateBuffers,
): void {
  const sizes = p.buffers.uniform("adam sizes", words([length], [rateFactor]));
  const bound = [sizes, step, gradient, value, moments.first, moments.second, frozen];
  p.kernel("adam", adamVector(), bound, Math.ceil(length / 64));
}

/**
 * One step of Adam on rows of the encoder or decoder, gradients gathered on the way. Decoder rows
 * lose their gradient's parallel part and end with norm 1.
 */
export function updateLatents(
  p: Program,
  { dModel, decoder, first, latents, half, w, moments, source, columns, step, frozen }: {
    dModel: number;
    decoder: boolean;
    first: number;
    latents: number;
    half: number;
    w: DeviceBuffer;
    moments: Moments;
    source: DeviceBuffer;
    columns: SparseColumns;
  } & UpdateBuffers,
): void {
  const sizes = p.buffers.uniform("update sizes", words([latents, first, half]));
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
  p.kernel(label, updateRows({ d: dModel, decoder }), bound, latents);
}
