import { center } from "../../kernels/center.ts";
import { denseTiled, TILE } from "../../kernels/dense_tiled.ts";
import { storeRelu } from "../../kernels/epilogues.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { atomicMax, isFiniteNumber } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { encodeInLanes, MAX_LANE_WIDTH } from "./encode_in_lanes.ts";
import type { Weights } from "./weights.ts";
import type { PreActivations } from "./pre_activations.ts";

/**
 * centered = x − bDec, for a batch x of [rows, d]. `stats[0]` records the first number that is not finite.
 */
export function centerBatch(
  p: Program,
  { rows, dModel, x, bDec, centered, stats }: {
    rows: number;
    dModel: number;
    x: DeviceBuffer;
    bDec: DeviceBuffer;
    centered: DeviceBuffer;
    stats: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    const own = { x: f32(x), bDec: f32(bDec), centered: f32(centered), stats: u32(stats) };
    p.loop(centerRows, { ...own, d: dModel }, rows);
    return;
  }
  const numbers = rows * dModel;
  p.kernel(center(), {
    sizes: { numbers, d: dModel },
    bind: { x, bDec, centered, bad: stats },
    workgroups: Math.ceil(numbers / 256),
  });
}

/** Kernel of the encoder: "lanes" on software adapters, else "tiled". */
export type EncodeKernel = "lanes" | "tiled";

/**
 * z = ReLU(input · wEncᵀ + bEnc) (Eq. 1), by blocks of rows and shards of latents.
 *
 * @param options `input` is [rows, d]: x, or x − bDec for SAEs that subtract it.
 */
export function encodeBatch(
  p: Program,
  { input, weights, z, kernel = chooseEncodeKernel(p.device, weights.dModel) }: {
    input: DeviceBuffer;
    weights: Weights;
    z: PreActivations;
    kernel?: EncodeKernel;
  },
): void {
  if (kernel === "lanes") return encodeInLanes(p, { input, weights, z });
  const product = denseTiled({ d: weights.dModel, epilogue: storeRelu });
  for (const { rows, first: firstRow, z: out } of z.blocks) {
    for (const { first, latents, wEnc } of weights.shards) {
      p.kernel(product, {
        sizes: { rows, cols: latents, firstRow, stride: z.cols, first, outRow: 0 },
        bind: { x: input, w: wEnc, bias: weights.bEnc, z: out },
        workgroups: Math.ceil(rows / TILE) * Math.ceil(latents / TILE),
      });
    }
  }
}

/** The kernel for an adapter. Rows of more than 8192 numbers do not fit into uniform buffers. */
function chooseEncodeKernel(device: Device, d: number): EncodeKernel {
  return device.software && d <= MAX_LANE_WIDTH ? "lanes" : "tiled";
}

/** The loop of {@linkcode centerBatch}, over rows. */
export function centerRows(
  { x, bDec, centered, stats, d }: {
    x: Float32Array;
    bDec: Float32Array;
    centered: Float32Array;
    stats: Uint32Array;
    d: number;
  },
  from: number,
  to: number,
): void {
  for (let row = from, at = from * d; row < to; row++) {
    for (let c = 0; c < d; c++, at++) {
      if (!isFiniteNumber(x[at])) atomicMax(stats, 0, ~at >>> 0);
      centered[at] = x[at] - bDec[c];
    }
  }
}
