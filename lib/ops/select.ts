import { chooseDigit } from "../../kernels/choose_digit.ts";
import { countRows } from "../../kernels/count_rows.ts";
import { histogram } from "../../kernels/histogram.ts";
import { planRows } from "../../kernels/plan_rows.ts";
import { scan } from "../../kernels/scan.ts";
import { writeAboveThreshold, writeKept } from "../../kernels/write_rows.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import type { PreActivations } from "./encode.ts";
import type { SparseRows } from "./sparse_rows.ts";

/** What the selections of a training step share. */
export interface StepBuffers {
  /** Uniform {step, …}: the number of the step, from 1. */
  step: DeviceBuffer;
  /** [m] last step in which each latent was active (0: never). */
  lastActive: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents}, zero at the start of a step. */
  stats: DeviceBuffer;
}

/** Digits of the radix selection: bits 30…0 of a positive float, highest first: 11 + 11 + 9. */
export const DIGITS: { shift: number; bits: number }[] = [{ shift: 20, bits: 11 }, {
  shift: 9,
  bits: 11,
}, { shift: 0, bits: 9 }];

/**
 * BatchTopK (Eq. 7): keeps the `wanted` largest positive pre-activations of the whole batch, exactly
 * that many where there are, ties broken by (row, latent) order.
 */
export function selectBatch(
  p: Program,
  { z, wanted, out, step, lastActive, stats }: {
    z: PreActivations;
    wanted: number;
    out: SparseRows;
  } & StepBuffers,
): void {
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  const vector = z.cols % 4 === 0;
  const counts = p.buffers.zeros("histogram", 2048);
  const state = p.buffers.zeros("selection", 4);
  const ties = p.buffers.zeros("ties a row", rows);
  for (const [pass, digit] of DIGITS.entries()) {
    for (const block of z.blocks) {
      const numbers = block.rows * z.cols;
      // 64 numbers a lane: few enough workgroups that adding up their histograms costs little. On
      // software adapters 16 do: OpenGL zeroes workgroup memory one element after the other.
      const workgroups = Math.min(p.device.software ? 16 : 1024, Math.ceil(numbers / (256 * 64)));
      p.kernel(histogram({ ...digit, later: pass > 0, vector }), {
        sizes: { numbers },
        bind: { z: block.z, counts, state: pass > 0 ? state : undefined },
        workgroups,
      });
    }
    p.kernel(chooseDigit(digit), {
      sizes: { first: pass === 0 ? 1 : 0, wanted },
      bind: { counts, state },
      workgroups: 1,
    });
  }
  const { kept, offsets, latents, values, capacity } = out;
  for (const { rows, first: firstRow, z: numbers } of z.blocks) {
    p.kernel(countRows({ ties: true, vector }), {
      sizes: { rows, cols: z.cols, firstRow },
      bind: { z: numbers, threshold: state, kept, ties },
      workgroups: rows,
    });
  }
  p.kernel(planRows(), { sizes: { rows }, bind: { state, kept, ties }, workgroups: 1 });
  scanCounts(p, kept, offsets, 0, rows);
  const write = writeKept({ perRow: false, lanes: writingLanes(p.device), vector });
  for (const { rows, first, z: numbers } of z.blocks) {
    p.kernel(write, {
      sizes: { rows, cols: z.cols, firstRow: first, firstOut: first, capacity },
      bind: {
        ...{ z: numbers, offsets, latents, values, threshold: state, quota: ties },
        ...{ step, lastActive, stats },
      },
      workgroups: rows,
    });
  }
}

/** Inference: counts what is above each latent's threshold, and turns counts into row offsets. */
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
    p.kernel(countRows({ ties: false, vector: z.cols % 4 === 0 }), {
      sizes: { rows, cols: z.cols, firstRow },
      bind: { z: numbers, threshold, kept },
      workgroups: rows,
    });
  }
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  scanCounts(p, kept, offsets, 0, rows);
}

/** Inference: writes what is above each latent's threshold, where `countAbove` found its place. */
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

/** Lanes of a workgroup that write a row; see the kernel. */
export const writingLanes = (device: Device): 8 | 64 => device.software ? 8 : 64;
