import type { DeviceBuffer } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { atomicMax, dotOn } from "./arithmetic.ts";
import type { LossScales } from "./gradients.ts";
import type { JumpThresholds } from "./ragged.ts";
import type { StepBuffers } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";
import type { CpuDenseBuffers } from "./dense_buffers.ts";

// While a large share of all latents is active, dense products are faster than sparse entries. ONNX
// Runtime's order of summation depends on the machine, so that bits may differ between machines.

/** Share of active latents from which a step uses dense products. */
export const DENSE_SHARE = 1 / 10;

/**
 * The same on the CPU, where the overhead per entry weighs more for narrow activations: at d 128 with 65
 * of 1024 latents active, a sparse step takes 21 ms and a dense one 17 ms.
 */
const denseShareOf = (d: number): number => Math.min(DENSE_SHARE, d / 2560);

// Number of samples that are encoded exactly for the decision.
const SAMPLED = 8;

// Largest size of the shares' gradients, in bytes.
const MAX_BYTES = 2 ** 28;

/** Number of shares of the samples: one per thread if their gradients fit; 0 without dense products. */
export function denseParts(device: Device, m: number, d: number): number {
  if (!isCpu(device) || !device.denseStep) return 0;
  return Math.min(device.threads, Math.floor(MAX_BYTES / (8 * m * d)));
}

/** Number of float32 numbers that `parts` shares take. */
export const denseNumbers = (parts: number, m: number, d: number): number =>
  parts * m * (2 * d + 4);

/** Allocates buffers for dense products; undefined without them, or if the gradients are too large. */
export function createCpuDenseBuffers(
  p: Program,
  { dModel: d, dictSize: m }: Weights,
): CpuDenseBuffers | undefined {
  const parts = denseParts(p.device, m, d);
  if (parts < 1) return undefined;
  return {
    flag: p.buffers.zeros("dense flag", 2),
    encoder: p.buffers.zeros("dense gradients of the encoder", parts * m * d),
    decoder: p.buffers.zeros("dense gradients of the decoder", parts * m * d),
    parts,
  };
}

/** Buffers that dense products read and write in a step. */
export interface DenseStepBuffers {
  rows: number;
  input: DeviceBuffer;
  target: DeviceBuffer;
  weights: Weights;
  residual: DeviceBuffer;
  sparse: SparseRows;
  penalties: DeviceBuffer;
  jump?: JumpThresholds;
  scales: LossScales & { penalty: number };
  gradients: { bEnc: DeviceBuffer; logTheta?: DeviceBuffer };
}

/** Decides from some of the samples whether a step uses dense products, and if so appends them. */
export function stepDensely(
  p: Program,
  buffers: CpuDenseBuffers,
  step: DenseStepBuffers & StepBuffers,
): void {
  const { rows, weights, jump, scales, residual, penalties, gradients } = step;
  const { dModel: d, dictSize: m, shards: [{ wEnc, wDec }], bEnc } = weights;
  const flag = u32(buffers.flag);
  const encoder = { input: f32(step.input), wEnc: f32(wEnc), bEnc: f32(bEnc) };
  const logTheta = jump && f32(jump.logTheta);
  // Samples of this batch decide, so that a resumed run decides in the same way.
  const sampled = Math.min(rows, SAMPLED);
  p.loop(sampleDensity, { ...encoder, flag, logTheta, rows, sampled, d, m }, sampled, 1);
  p.loop(chooseDense, { flag, sampled, d, m }, 1);
  const numbers = (label: string, length: number) => f32(p.buffers.zeros(label, length));
  const found = {
    biases: numbers("dense bias gradients", buffers.parts * m),
    counts: numbers("dense counts", buffers.parts * m),
    inside: numbers("dense threshold gradients", jump ? buffers.parts * m : 1),
    samples: numbers("dense threshold samples", jump ? buffers.parts * m : 1),
  };
  const theta = jump && f32(jump.theta);
  const shared = {
    ...found,
    ...{ stats: u32(step.stats), step: f32(step.step), parts: buffers.parts, theta, m },
    bandwidth: jump?.bandwidth ?? 0,
  };
  p.when(buffers.flag, 1, () => {
    if (jump) p.loop(thresholdsOf, { logTheta: logTheta!, theta: theta! }, m);
    p.loop(
      runDense,
      {
        ...{ ...shared, ...encoder, wDec: f32(wDec), target: f32(step.target), rows, d },
        ...{ residual: f32(residual), penalties: f32(penalties), main: scales.main },
        ...{
          encoder: f32(buffers.encoder),
          decoder: f32(buffers.decoder),
          sparsity: scales.sparsity ?? 0,
        },
      },
      buffers.parts,
      1,
    );
    p.loop(combineDense, {
      ...{ ...shared, penalty: scales.penalty, offsets: u32(step.sparse.offsets), rows },
      ...{ lastActive: u32(step.lastActive), bEncGradient: f32(gradients.bEnc) },
      logThetaGradient: gradients.logTheta && f32(gradients.logTheta),
    }, 1);
  });
}

/** Counts active latents in some of the samples, over these samples. */
export function sampleDensity(
  { flag, input, wEnc, bEnc, logTheta, rows, sampled, d, m }: {
    flag: Uint32Array;
    input: Float32Array;
    wEnc: Float32Array;
    bEnc: Float32Array;
    logTheta: Float32Array | undefined;
    rows: number;
    sampled: number;
    d: number;
    m: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  const dot = dotOn(thread);
  let active = 0;
  for (let i = from; i < to; i++) {
    const row = Math.floor(i * rows / sampled);
    for (let latent = 0; latent < m; latent++) {
      const least = logTheta ? Math.exp(logTheta[latent]) : 0;
      if (dot(input, row * d, wEnc, latent * d, d) + bEnc[latent] > least) active++;
    }
  }
  Atomics.add(flag, 1, active);
}

/** Sets the flag, one work item. */
export function chooseDense(
  { flag, sampled, d, m }: { flag: Uint32Array; sampled: number; d: number; m: number },
): void {
  flag[0] = flag[1] > denseShareOf(d) * sampled * m ? 1 : 0;
  flag[1] = 0;
}

/** theta = exp(logTheta), over latents. */
export function thresholdsOf(
  { logTheta, theta }: { logTheta: Float32Array; theta: Float32Array },
  from: number,
  to: number,
): void {
  for (let latent = from; latent < to; latent++) theta[latent] = Math.exp(logTheta[latent]);
}

interface Found {
  /** [parts, m] each: sums over a share's samples. */
  biases: Float32Array;
  counts: Float32Array;
  inside: Float32Array;
  samples: Float32Array;
  stats: Uint32Array;
  step: Float32Array;
  theta: Float32Array | undefined;
  parts: number;
  m: number;
  bandwidth: number;
}

/** Runs the library's graph on a share of the samples, up to 1024 at a time; over shares. */
export function runDense(
  { input, target, wEnc, bEnc, wDec, residual, penalties, encoder, decoder, ...rest }: Found & {
    input: Float32Array;
    target: Float32Array;
    wEnc: Float32Array;
    bEnc: Float32Array;
    wDec: Float32Array;
    residual: Float32Array;
    penalties: Float32Array;
    encoder: Float32Array;
    decoder: Float32Array;
    rows: number;
    d: number;
    main: number;
    sparsity: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { biases, counts, inside, samples, stats, step, theta, parts, m, rows, d, main } = rest;
  // ONNX Runtime cannot read shared memory.
  const own = (values: Float32Array) => new Float32Array(values);
  const weights = { wEnc: own(wEnc), bEnc: own(bEnc), wDec: own(wDec), theta: theta && own(theta) };
  const numbers = { main, penalty: rest.sparsity * step[6], half: rest.bandwidth / 2 };
  for (let part = from; part < to; part++) {
    const last = Math.floor((part + 1) * rows / parts);
    const sums = [
      [encoder, "encoder", m * d],
      [decoder, "decoder", m * d],
      [biases, "encoderBias", m],
      [counts, "counts", m],
      ...(theta ? [[inside, "inside", m], [samples, "samples", m]] as const : []),
    ] as const;
    for (const [into, , length] of sums) into.fill(0, part * length, (part + 1) * length);
    for (let row = Math.floor(part * rows / parts); row < last; row += 1024) {
      const count = Math.min(1024, last - row);
      const range = (values: Float32Array) => own(values.subarray(row * d, (row + count) * d));
      const x = range(input);
      const found = thread.denseStep!({
        ...{ ...weights, ...numbers, x, rows: count },
        target: target === input ? x : range(target),
      });
      residual.set(found.residual, row * d);
      penalties.set(found.penalties, row);
      for (const [into, name, length] of sums) {
        const values = found[name]!;
        for (let at = 0, to = part * length; at < length; at++, to++) into[to] += values[at];
      }
      const least = found.least[0];
      if (least < 3e38) {
        atomicMax(stats, 1, ~new Uint32Array(Float32Array.of(least).buffer)[0] >>> 0);
      }
    }
  }
}

/** Adds up the results of the shares, one work item. */
export function combineDense(
  { offsets, lastActive, bEncGradient, logThetaGradient, rows, penalty, ...found }: Found & {
    offsets: Uint32Array;
    lastActive: Uint32Array;
    bEncGradient: Float32Array;
    logThetaGradient: Float32Array | undefined;
    rows: number;
    penalty: number;
  },
): void {
  const { biases, counts, inside, samples, step, theta, parts, m, bandwidth } = found;
  const number = new Uint32Array(step.buffer, step.byteOffset, 1)[0];
  let active = 0;
  for (let latent = 0; latent < m; latent++) {
    let [bias, count, near, nearSamples] = [0, 0, 0, 0];
    for (let at = latent; at < parts * m; at += m) {
      bias += biases[at];
      count += counts[at];
      if (!theta) continue;
      near += inside[at];
      nearSamples += samples[at];
    }
    bEncGradient[latent] = bias;
    if (count > 0) lastActive[latent] = number;
    active += count;
    if (!theta || !logThetaGradient) continue;
    logThetaGradient[latent] = -theta[latent] / bandwidth *
      (theta[latent] * near + penalty * step[6] * nearSamples);
  }
  offsets[rows] = active;
}

/** Gradients of dense products, as arguments of a loop that gathers gradients. */
export function denseViews({ dense }: { dense?: CpuDenseBuffers }, decoder: boolean) {
  return {
    flag: dense && u32(dense.flag),
    partial: dense && f32(decoder ? dense.decoder : dense.encoder),
    parts: dense?.parts ?? 0,
  };
}

/**
 * The gradient of a latent's row in a dense step: the sum over shares, written to gradient[at …].
 */
export function addParts(
  partial: Float32Array,
  latent: number,
  gradient: Float32Array,
  { parts, m, d, at }: { parts: number; m: number; d: number; at: number },
): void {
  gradient.set(partial.subarray(latent * d, (latent + 1) * d), at);
  for (let part = 1; part < parts; part++) {
    const from = (part * m + latent) * d;
    for (let c = 0; c < d; c++) gradient[at + c] += partial[from + c];
  }
}
