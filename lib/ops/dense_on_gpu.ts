import { denseColumns } from "../../kernels/dense_columns.ts";
import { DELTA_ROWS, denseDeltas, denseRows, denseSums } from "../../kernels/dense_gradients.ts";
import { denseTiled, TILE } from "../../kernels/dense_tiled.ts";
import { storeScaled, subtract } from "../../kernels/epilogues.ts";
import { jumpThresholds } from "../../kernels/jump_thresholds.ts";
import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import type { DenseStepBuffers } from "./dense_step.ts";
import { encodeBatch } from "./encode.ts";
import type { StepBuffers } from "./select.ts";
import type { Shard, Weights } from "./weights.ts";
import type { GpuDenseBuffers } from "./dense_buffers.ts";

const sumNumbers = (rows: number, m: number) => Math.ceil(rows / DELTA_ROWS) * m * 4;

/** Whether the device can bind [n, m] numbers in one buffer. */
export function bindsDensely(device: Device, rows: number, m: number): boolean {
  const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  return 4 * Math.max(rows * m, sumNumbers(rows, m)) <= most;
}

/** Allocates buffers for dense products. */
export function createGpuDenseBuffers(
  buffers: BufferSet,
  rows: number,
  { dModel, dictSize, shards }: Weights,
): GpuDenseBuffers {
  return {
    z: buffers.zeros("dense pre-activations", rows * dictSize),
    g: buffers.zeros("dense gradients of activations", rows * dictSize),
    sums: buffers.zeros("dense sums", sumNumbers(rows, dictSize)),
    gradients: shards.map(({ latents }) => ({
      encoder: buffers.zeros("dense gradients of the encoder", latents * dModel),
      decoder: buffers.zeros("dense gradients of the decoder", latents * dModel),
    })),
  };
}

/**
 * A ReLU or JumpReLU step up to the gradients of the encoder bias, log θ and all rows, by dense products:
 * z, f, residual = target − f · wDec, g = main · residual · wDecᵀ, delta = g + L1's gradient where f is
 * active, decoder gradient = main · fᵀ · residual, encoder gradient = deltaᵀ · input. There are no sparse
 * entries; offsets[n], zero at the start of a step, becomes the number of active latents.
 */
export function stepDenselyOnGpu(
  p: Program,
  { z, g, sums, gradients }: GpuDenseBuffers,
  step: DenseStepBuffers & StepBuffers,
): void {
  const { rows, input, weights, residual, scales, jump, stats } = step;
  const { dModel: d, dictSize: m, shards } = weights;
  const theta = jump?.theta;
  if (jump) {
    const { logTheta, theta } = jump;
    p.kernel(jumpThresholds(), {
      sizes: { latents: m, half: 0 },
      bind: { logTheta, theta, reach: p.buffers.zeros("dense thresholds", m) },
      workgroups: Math.ceil(m / 64),
    });
  }
  encodeBatch(p, { input, weights, z: { cols: m, blocks: [{ first: 0, rows, z }] } });
  // z is still needed for θ's gradient, so g holds the activations until then.
  p.kernel(denseRows({ jump: jump !== undefined }), {
    sizes: { rows, latents: m },
    bind: { z, stats, penalties: step.penalties, theta, f: jump && g },
    workgroups: rows,
  });
  for (const [index, { first, latents, wDec }] of shards.entries()) {
    const targets = index === 0;
    const vector = dividesByFour(d, m, first, latents);
    p.kernel(denseColumns({ transposed: false, vector, epilogue: subtract({ targets }) }), {
      sizes: { rows, cols: d, depth: latents, xFirst: first, xStride: m },
      bind: {
        ...{ x: jump ? g : z, w: wDec, out: residual },
        minuend: targets ? step.target : undefined,
      },
      workgroups: tilesOf(rows, d),
    });
  }
  for (const { first, latents, wDec } of shards) {
    p.kernel(denseTiled({ d, epilogue: storeScaled }), {
      sizes: { rows, cols: latents, firstRow: 0, stride: m, first, scale: scales.main },
      bind: { x: residual, w: wDec, out: g },
      workgroups: tilesOf(rows, latents),
    });
  }
  sumActive(p, { z, g, sums }, step);
  for (const [index, shard] of shards.entries()) {
    const { encoder, decoder } = gradients[index];
    multiplySamples(p, { d, rows, m, shard, x: z, w: residual, scale: scales.main, out: decoder });
    multiplySamples(p, { d, rows, m, shard, x: g, w: input, scale: 1, out: encoder });
  }
}

/** Masks gradients, and computes the sums over samples that are not products. */
function sumActive(
  p: Program,
  { z, g, sums }: Pick<GpuDenseBuffers, "z" | "g" | "sums">,
  { rows, weights, jump, scales, gradients, sparse, ...state }: DenseStepBuffers & StepBuffers,
): void {
  const { dictSize: m } = weights;
  const { step, lastActive } = state;
  const { theta, bandwidth = 0 } = jump ?? {};
  const blocks = Math.ceil(rows / DELTA_ROWS);
  p.kernel(denseDeltas({ jump: jump !== undefined }), {
    sizes: { rows, latents: m, sparsity: scales.sparsity ?? 0, half: bandwidth / 2 },
    bind: { step, z, g, sums, theta },
    workgroups: blocks * Math.ceil(m / 64),
  });
  const { bEnc, logTheta } = gradients;
  p.kernel(denseSums({ jump: jump !== undefined }), {
    sizes: { latents: m, blocks, rows, bandwidth, penalty: scales.penalty },
    bind: { step, sums, bEnc, lastActive, offsets: sparse.offsets, theta, logTheta },
    workgroups: Math.ceil(m / 64),
  });
}

/** out [latents, d] = scale · x[:, shard]ᵀ · w, of x [rows, m] and w [rows, d]. */
function multiplySamples(
  p: Program,
  { d, rows, m, shard: { first, latents }, x, w, scale, out }: {
    d: number;
    rows: number;
    m: number;
    shard: Shard;
    x: DeviceBuffer;
    w: DeviceBuffer;
    scale: number;
    out: DeviceBuffer;
  },
): void {
  const vector = dividesByFour(d, m, first, latents);
  p.kernel(denseColumns({ transposed: true, vector, epilogue: storeScaled }), {
    sizes: {
      ...{ rows: latents, cols: d, depth: rows, xFirst: first, xStride: m },
      ...{ stride: d, first: 0, scale },
    },
    bind: { x, w, out },
    workgroups: tilesOf(latents, d),
  });
}

const dividesByFour = (...sizes: number[]) => sizes.every((size) => size % 4 === 0);

const tilesOf = (rows: number, cols: number) => Math.ceil(rows / TILE) * Math.ceil(cols / TILE);
