import { STEP_AT } from "../../kernels/prelude.ts";
import { adamVector } from "../../kernels/adam_vector.ts";
import { updateRows } from "../../kernels/update_rows.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { addRowsOn } from "./arithmetic.ts";
import { updateRowOn } from "./update_row.ts";
import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import { addParts, denseViews } from "./dense_step.ts";
import type { SparseColumns } from "./gradients.ts";

/** Adam's moments of a parameter, zero at the start. */
export interface Moments {
  /** Running mean of gradients. */
  first: DeviceBuffer;
  /** Running mean of squared gradients. */
  second: DeviceBuffer;
}

/** Allocates the moments of a parameter of `length` numbers. */
export function createMoments(buffers: BufferSet, length: number): Moments {
  return {
    first: buffers.zeros("first moment", length),
    second: buffers.zeros("second moment", length),
  };
}

/** Buffers that every update reads. */
export interface UpdateBuffers {
  /** The step's uniform with Adam's constants, `STEP` of kernels/prelude.ts. */
  step: DeviceBuffer;
  /** [1] where not 0, the weights stay unchanged. */
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
    /** Factor of the learning rate (default 1). */
    rateFactor?: number;
  } & UpdateBuffers,
): void {
  if (isCpu(p.device)) {
    p.loop(updateNumbers, {
      ...{ step: f32(step), frozen: u32(frozen), gradient: f32(gradient), value: f32(value) },
      ...{ first: f32(moments.first), second: f32(moments.second) },
      rateFactor: Math.fround(rateFactor),
    }, length);
    return;
  }
  p.kernel(adamVector(), {
    sizes: { numbers: length, rateFactor },
    bind: { step, gradient, value, ...moments, frozen },
    workgroups: Math.ceil(length / 64),
  });
}

/**
 * One step of Adam on rows of the encoder or decoder; gradients are gathered in the same pass. For
 * decoder rows the gradient's component along the row is removed, and rows are scaled to norm 1.
 */
export function updateLatents(
  p: Program,
  { dModel, decoder, first, latents, half, w, moments, source, columns, gradient, ...state }: {
    dModel: number;
    decoder: boolean;
    first: number;
    latents: number;
    half: number;
    w: DeviceBuffer;
    moments: Moments;
    source: DeviceBuffer;
    columns: SparseColumns;
    /** GPU: the rows' gradients [latents, d] of a dense step; nothing is gathered then. */
    gradient?: DeviceBuffer;
  } & UpdateBuffers,
): void {
  const { step, frozen } = state;
  const { latentOffsets, factors } = columns;
  const rows = decoder ? columns.rows : columns.samples ?? columns.rows;
  if (isCpu(p.device)) {
    p.loop(
      updateLatentRows,
      {
        ...{ step: f32(step), frozen: u32(frozen), w: f32(w), source: f32(source) },
        ...{ first: f32(moments.first), second: f32(moments.second) },
        ...{ latentOffsets: u32(latentOffsets), rows: u32(rows), factors: f32(factors) },
        gradient: f32(p.buffers.zeros("gradients of a latent", dModel * p.device.threads)),
        ...denseViews(columns, decoder),
        ...{ decoder, half, d: dModel },
      },
      latents,
      64,
    );
    return;
  }
  const sizes = { latents, firstLatent: first, half };
  const own = { step, w, ...moments, frozen };
  if (gradient) {
    const update = updateRows({ d: dModel, decoder, dense: true });
    p.kernel(update, { sizes, bind: { ...own, gradient }, workgroups: latents });
    return;
  }
  p.kernel(updateRows({ d: dModel, decoder, dense: false }), {
    sizes,
    bind: { ...own, source, latentOffsets, rows, factors },
    workgroups: latents,
  });
}

/** The loop of {@linkcode updateVector}, over numbers. */
export function updateNumbers(
  { step, frozen, gradient, value, first, second, rateFactor }: {
    step: Float32Array;
    frozen: Uint32Array;
    gradient: Float32Array;
    value: Float32Array;
    first: Float32Array;
    second: Float32Array;
    rateFactor: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  if (frozen[0] !== 0) return;
  const rate = Math.fround(rateFactor * step[STEP_AT.rate]);
  const own = { w: value, first, second, at: from, gradient, gradientAt: from, d: to - from };
  updateRowOn(thread)(own, { step, rate, decoder: false });
}

/** The loop of {@linkcode updateLatents}, over latents. */
export function updateLatentRows(
  { step, frozen, w, first, second, source, latentOffsets, rows, factors, gradient, ...sizes }: {
    step: Float32Array;
    frozen: Uint32Array;
    w: Float32Array;
    first: Float32Array;
    second: Float32Array;
    source: Float32Array;
    latentOffsets: Uint32Array;
    rows: Uint32Array;
    factors: Float32Array;
    /** [threads, d] scratch: a thread's gradient of one latent. */
    gradient: Float32Array;
    /** Where dense steps are possible: the flag, and gradients by shares of the samples. */
    flag: Uint32Array | undefined;
    partial: Float32Array | undefined;
    parts: number;
    decoder: boolean;
    half: number;
    d: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  if (frozen[0] !== 0) return;
  const { decoder, half, d } = sizes;
  const add = addRowsOn(thread);
  const update = updateRowOn(thread);
  const gradientAt = thread.index * d;
  // Rows of the auxiliary loss have their own residuals, but the samples' inputs.
  const repeats = decoder ? undefined : half;
  const own = decoder ? factors : factors.subarray(1);
  const constants = { step, rate: step[STEP_AT.rate], decoder };
  const dense = sizes.flag?.[0] === 1;
  const m = latentOffsets.length - 1;
  for (let latent = from; latent < to; latent++) {
    const [begin, last] = [latentOffsets[latent], latentOffsets[latent + 1]];
    if (dense) addParts(sizes.partial!, latent, gradient, { ...sizes, m, at: gradientAt });
    else {add(gradient, gradientAt, source, rows, own, {
        ...{ first: begin, last, stride: 2, half: repeats, fresh: true, d },
      });}
    update({ w, first, second, at: latent * d, gradient, gradientAt, d }, constants);
  }
}
