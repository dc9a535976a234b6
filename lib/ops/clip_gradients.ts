import { RECORD_AT, STEP_AT } from "../../kernels/prelude.ts";
import { gradientNorm } from "../../kernels/gradient_norm.ts";
import { gradientSquares } from "../../kernels/gradient_squares.ts";
import { scaleGradients } from "../../kernels/scale_gradients.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { addRowsOn, isFiniteNumber } from "./arithmetic.ts";
import { addParts, denseViews } from "./dense_step.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { SparseColumns } from "./gradients.ts";
import { RECORD_WORDS, type RecordBuffers } from "./record.ts";
import type { Weights } from "./weights.ts";

/**
 * Scales all gradients by min(1, limit / (g + 1e-6)), where g is their norm over all weights. Decoder
 * gradients count without the component along their rows, which the update removes. Gradients of rows
 * exist only while they are gathered: they are gathered here for the norm, and the factors from which
 * the update gathers them are scaled.
 *
 * The norm is written into the step's record. If it is not finite, the run is frozen.
 */
export function clipGradients(
  p: Program,
  { limit, half, weights, columns, residual, input, gradients, ...state }: {
    limit: number;
    half: number;
    weights: Weights;
    columns: SparseColumns;
    /** Source of the decoder's gradients. */
    residual: DeviceBuffer;
    /** Source of the encoder's gradients. */
    input: DeviceBuffer;
    /** Gradients of the encoder bias [m], the decoder bias [d], and for JumpReLU of log θ [m]. */
    gradients: { bEnc: DeviceBuffer; bDec: DeviceBuffer; logTheta?: DeviceBuffer };
  } & Pick<RecordBuffers, "step" | "records" | "recordSlots" | "frozen">,
): void {
  if (isCpu(p.device)) {
    clipOnCpu(p, { limit, half, weights, columns, residual, input, gradients, ...state });
    return;
  }
  const { dModel: d, dictSize: m } = weights;
  const squares = p.buffers.zeros("squared gradients", m);
  const factor = p.buffers.zeros("clip factor", 1);
  const dense = columns.gpuDense?.gradients;
  for (const [index, { first, latents, wDec }] of weights.shards.entries()) {
    const { latentOffsets, factors } = columns;
    const decoder = { source: residual, rows: columns.rows, w: wDec };
    const encoder = { source: input, rows: columns.samples ?? columns.rows, w: undefined };
    for (const { source, rows, w } of [decoder, encoder]) {
      const gradient = dense?.[index][w ? "decoder" : "encoder"];
      const gathered = <T>(of: T) => gradient ? undefined : of;
      p.kernel(gradientSquares({ d, decoder: w !== undefined, dense: gradient !== undefined }), {
        sizes: { latents, firstLatent: first, half },
        bind: {
          ...{ source: gathered(source), latentOffsets: gathered(latentOffsets) },
          ...{ rows: gathered(rows), factors: gathered(factors), gradient, squares, w },
        },
        workgroups: latents,
      });
    }
  }
  const { bEnc, bDec, logTheta } = gradients;
  const { step, records, recordSlots, frozen } = state;
  p.kernel(gradientNorm({ jump: logTheta !== undefined }), {
    sizes: { latents: m, dModel: d, slots: recordSlots, limit },
    bind: { step, squares, bEnc, bDec, factor, records, frozen, logTheta },
    workgroups: 1,
  });

  const scale = (x: DeviceBuffer, numbers: number, latentOffsets?: DeviceBuffer) =>
    p.kernel(scaleGradients({ entries: latentOffsets !== undefined }), {
      sizes: { numbers },
      bind: { factor, x, latentOffsets },
      // The number of entries is known on the GPU only: 1024 workgroups share them.
      workgroups: latentOffsets ? 1024 : Math.ceil(numbers / 64),
    });
  if (!dense) scale(columns.factors, m, columns.latentOffsets);
  for (const [index, { latents }] of weights.shards.entries()) {
    for (const x of Object.values(dense?.[index] ?? {})) scale(x, latents * d);
  }
  scale(bEnc, m);
  scale(bDec, d);
  if (logTheta) scale(logTheta, m);
}

function clipOnCpu(
  p: Program,
  { limit, half, weights, columns, residual, input, gradients, ...state }: Parameters<
    typeof clipGradients
  >[1],
): void {
  const { dModel: d, dictSize: m, shards: [{ wDec }] } = weights;
  const squares = f32(p.buffers.zeros("squared gradients", m));
  const factor = f32(p.buffers.zeros("clip factor", 1));
  const factors = f32(columns.factors);
  const latentOffsets = u32(columns.latentOffsets);
  const threads = isCpu(p.device) ? p.device.threads : 1;
  p.loop(squareGradients, {
    ...{ latentOffsets, rows: u32(columns.rows), samples: u32(columns.samples ?? columns.rows) },
    ...{ factors, squares, half, d },
    ...{ residual: f32(residual), input: f32(input), wDec: f32(wDec) },
    gradient: f32(p.buffers.zeros("gradients of a latent", d * threads)),
    ...denseViews(columns, false),
    decoderPartial: columns.dense && f32(columns.dense.decoder),
  }, m);
  const [bEnc, bDec] = [f32(gradients.bEnc), f32(gradients.bDec)];
  const logTheta = gradients.logTheta && f32(gradients.logTheta);
  p.loop(normOfGradients, {
    ...{ squares, bEnc, bDec, logTheta, factor, limit, slots: state.recordSlots },
    ...{ step: u32(state.step), records: f32(state.records), frozen: u32(state.frozen) },
  }, 1);
  p.loop(scaleFactors, { latentOffsets, factors, factor }, m);
  if (columns.dense) {
    const { flag, encoder, decoder, parts } = columns.dense;
    p.when(flag, 1, () => {
      for (const x of [encoder, decoder]) {
        p.loop(scaleNumbers, { x: f32(x), factor }, parts * m * d);
      }
    });
  }
  for (const [x, length] of [[bEnc, m], [bDec, d], [logTheta, m]] as const) {
    if (x) p.loop(scaleNumbers, { x, factor }, length);
  }
}

/** squares[i] = ‖g‖² of both gradients of latent i, over latents; see the kernel. */
export function squareGradients(
  { latentOffsets, rows, samples, factors, squares, residual, input, wDec, gradient, ...more }: {
    latentOffsets: Uint32Array;
    rows: Uint32Array;
    samples: Uint32Array;
    factors: Float32Array;
    squares: Float32Array;
    residual: Float32Array;
    input: Float32Array;
    wDec: Float32Array;
    /** [threads, d] scratch: a thread's gradient of one latent. */
    gradient: Float32Array;
    flag: Uint32Array | undefined;
    partial: Float32Array | undefined;
    decoderPartial: Float32Array | undefined;
    parts: number;
    half: number;
    d: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  const dense = more.flag?.[0] === 1;
  const shares = { parts: more.parts, m: latentOffsets.length - 1, d: more.d };
  const { half, d } = more;
  const add = addRowsOn(thread);
  const at = thread.index * d;
  const own = gradient.subarray(at, at + d);
  const inputFactors = factors.subarray(1);
  for (let latent = from; latent < to; latent++) {
    const range = { first: latentOffsets[latent], last: latentOffsets[latent + 1], stride: 2 };
    let sum = 0;
    if (dense) addParts(more.partial!, latent, gradient, { ...shares, at });
    else add(gradient, at, input, samples, inputFactors, { ...range, half, fresh: true, d });
    for (let c = 0; c < d; c++) sum += own[c] * own[c];
    if (dense) addParts(more.decoderPartial!, latent, gradient, { ...shares, at });
    else add(gradient, at, residual, rows, factors, { ...range, fresh: true, d });
    let [along, squared] = [0, 0];
    for (let c = 0, from = latent * d; c < d; c++, from++) {
      along += own[c] * wDec[from];
      squared += wDec[from] * wDec[from];
    }
    const parallel = squared > 0 ? along / squared : 0;
    for (let c = 0, from = latent * d; c < d; c++, from++) {
      sum += (own[c] - parallel * wDec[from]) ** 2;
    }
    squares[latent] = sum;
  }
}

/** The norm of all gradients and their factor, one work item. */
export function normOfGradients(
  { squares, bEnc, bDec, logTheta, factor, limit, slots, step, records, frozen }: {
    squares: Float32Array;
    bEnc: Float32Array;
    bDec: Float32Array;
    logTheta: Float32Array | undefined;
    factor: Float32Array;
    limit: number;
    slots: number;
    step: Uint32Array;
    records: Float32Array;
    frozen: Uint32Array;
  },
): void {
  let sum = 0;
  for (const square of squares) sum += square;
  for (const values of [bEnc, bDec, logTheta]) {
    for (const value of values ?? []) sum += value * value;
  }
  const norm = Math.fround(Math.sqrt(sum));
  factor[0] = Math.min(1, limit / (norm + 1e-6));
  const at = (step[STEP_AT.step] - 1) % slots * RECORD_WORDS;
  records[at + RECORD_AT.gradientNorm] = norm;
  if (isFiniteNumber(norm)) return;
  frozen[0] = 1;
  new Uint32Array(records.buffer, records.byteOffset, records.length)[at + RECORD_AT.frozen] = 1;
}

/** Multiplies the pairs of factors, over latents. */
export function scaleFactors(
  { latentOffsets, factors, factor }: {
    latentOffsets: Uint32Array;
    factors: Float32Array;
    factor: Float32Array;
  },
  from: number,
  to: number,
): void {
  for (let at = 2 * latentOffsets[from]; at < 2 * latentOffsets[to]; at++) factors[at] *= factor[0];
}

/** x[i] *= factor[0], over numbers. */
export function scaleNumbers(
  { x, factor }: { x: Float32Array; factor: Float32Array },
  from: number,
  to: number,
): void {
  for (let at = from; at < to; at++) x[at] *= factor[0];
}
