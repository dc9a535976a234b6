import { chooseDigit } from "../../kernels/choose_digit.ts";
import { countRows } from "../../kernels/count_rows.ts";
import { histogram } from "../../kernels/histogram.ts";
import { planRows } from "../../kernels/plan_rows.ts";
import { scan } from "../../kernels/scan.ts";
import { writeRows } from "../../kernels/write_rows.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import type { PreActivations } from "./encode.ts";
import type { SparseRows } from "./sparse_rows.ts";
import { words } from "./words.ts";

/** What the selections of a training step share. */
export interface StepBuffers {
  /** Uniform {step, …}: the number of the step, from 1. */
  step: DeviceBuffer;
  /** [m] last step in which each latent was active (0: never). */
  lastActive: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents}, zero at the start of a step. */
  stats: DeviceBuffer;
}

// Bits 30…0 of a positive float, highest first: 11 + 11 + 9.
const DIGITS = [{ shift: 20, bits: 11 }, { shift: 9, bits: 11 }, { shift: 0, bits: 9 }];

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
      const sizes = p.buffers.uniform("histogram sizes", words([numbers]));
      const bound = pass === 0 ? [sizes, block.z, counts] : [sizes, block.z, counts, state];
      // 64 numbers a lane: few enough workgroups that adding up their histograms costs little. On
      // software adapters 16 do: OpenGL zeroes workgroup memory one element after the other.
      const workgroups = Math.min(p.device.software ? 16 : 1024, Math.ceil(numbers / (256 * 64)));
      p.kernel("histogram", histogram({ ...digit, vector }), bound, workgroups);
    }
    const sizes = p.buffers.uniform("choose digit sizes", words([wanted]));
    const code = chooseDigit({ ...digit, first: pass === 0 });
    p.kernel("choose digit", code, pass === 0 ? [counts, state, sizes] : [counts, state], 1);
  }
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform("count rows sizes", words([block.rows, z.cols, block.first]));
    const bound = [sizes, block.z, state, out.kept, ties];
    const code = countRows({ mode: "batch", vector });
    p.kernel("count rows", code, bound, block.rows);
  }
  const planSizes = p.buffers.uniform("plan rows sizes", words([rows]));
  const planned = [planSizes, state, out.kept, ties];
  p.kernel("plan rows", planRows(), planned, 1);
  scanCounts(p, out.kept, out.offsets, 0, rows);
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, state];
    p.kernel(
      "write rows of the batch",
      writeRows({ mode: "batch", lanes: writingLanes(p.device), vector }),
      [...bound, ties, step, lastActive, stats],
      block.rows,
    );
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
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform("count rows sizes", words([block.rows, z.cols, block.first]));
    const bound = [sizes, block.z, threshold, kept];
    const code = countRows({ mode: "latent", vector: z.cols % 4 === 0 });
    p.kernel("count rows", code, bound, block.rows);
  }
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  scanCounts(p, kept, offsets, 0, rows);
}

/** Inference: writes what is above each latent's threshold, where `countAbove` found its place. */
export function writeAbove(
  p: Program,
  { z, threshold, out }: { z: PreActivations; threshold: DeviceBuffer; out: SparseRows },
): void {
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    const code = writeRows({
      mode: "latent",
      lanes: writingLanes(p.device),
      vector: z.cols % 4 === 0,
    });
    p.kernel("write rows", code, bound, block.rows);
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
  const sizes = p.buffers.uniform("scan sizes", words([first, length]));
  p.kernel("scan", scan(), [sizes, counts, offsets], 1);
}

/** Lanes of a workgroup that write a row; see the kernel. */
export const writingLanes = (device: Device): 8 | 64 => device.software ? 8 : 64;
