import { countRows } from "../../kernels/count_rows.ts";
import { scan } from "../../kernels/scan.ts";
import { writeAboveThreshold } from "../../kernels/write_rows.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import type { PreActivations } from "./pre_activations.ts";
import type { SparseRows } from "./sparse_rows.ts";

/** Buffers that the selections of a training step share. */
export interface StepBuffers {
  /** Uniform {step, …}, steps counted from 1. */
  step: DeviceBuffer;
  /** [m] last step in which each latent was active (0: never). */
  lastActive: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents}, zero at the start of a step. */
  stats: DeviceBuffer;
}

/** Digits of the radix selection: 11 + 11 + 9 of bits 30…0 of a positive float, highest first. */
export const DIGITS: { shift: number; bits: number }[] = [{ shift: 20, bits: 11 }, {
  shift: 9,
  bits: 11,
}, { shift: 0, bits: 9 }];

/** Inference: counts pre-activations above their latent's threshold per row, and computes row offsets. */
export function countAbove(
  p: Program,
  { z, threshold, kept, offsets }: {
    z: PreActivations;
    threshold: DeviceBuffer;
    kept: DeviceBuffer;
    offsets: DeviceBuffer;
  },
): void {
  for (const { rows, first: firstRow, z: numbers } of z.blocks) {
    p.kernel(countRows({ vector: z.cols % 4 === 0 }), {
      sizes: { rows, cols: z.cols, firstRow },
      bind: { z: numbers, threshold, kept },
      workgroups: rows,
    });
  }
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  scanCounts(p, kept, offsets, 0, rows);
}

/** Inference: writes pre-activations above their latent's threshold at the offsets of `countAbove`. */
export function writeAbove(
  p: Program,
  { z, threshold, out }: { z: PreActivations; threshold: DeviceBuffer; out: SparseRows },
): void {
  const { offsets, latents, values, capacity } = out;
  const write = writeAboveThreshold({
    lanes: writingLanes(p.device),
    vector: z.cols % 4 === 0,
  });
  for (const { rows, first, z: numbers } of z.blocks) {
    p.kernel(write, {
      sizes: { rows, cols: z.cols, firstOut: first, capacity },
      bind: { z: numbers, offsets, latents, values, threshold },
      workgroups: rows,
    });
  }
}

/** offsets[first + i + 1] = offsets[first] + Σ counts[first … first + i]. */
export function scanCounts(
  p: Program,
  counts: DeviceBuffer,
  offsets: DeviceBuffer,
  first: number,
  length: number,
): void {
  p.kernel(scan(), { sizes: { first, length }, bind: { counts, offsets }, workgroups: 1 });
}

/** Lanes per workgroup that writes a row; see the kernel. */
export const writingLanes = (device: Device): 8 | 64 => device.software ? 8 : 64;
