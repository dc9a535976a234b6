import { chooseDigit } from "../../kernels/choose_digit.ts";
import { countRows } from "../../kernels/count_rows.ts";
import { histogram } from "../../kernels/histogram.ts";
import { planRows } from "../../kernels/plan_rows.ts";
import { scan } from "../../kernels/scan.ts";
import { writeRows } from "../../kernels/write_rows.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
import type { PreActivations } from "./encode.ts";
import type { SparseRows } from "./sparse_rows.ts";
import { words } from "./words.ts";

/** What the selections of a training step share. */
export interface StepBuffers {
  /** Uniform {step, …}: the number of the step, from 1. */
  step: GPUBuffer;
  /** [m] last step in which each latent was active (0: never). */
  lastActive: GPUBuffer;
  /** [3] {first bad input, smallest kept, dead latents}, zero at the start of a step. */
  stats: GPUBuffer;
}

// Bits 30…0 of a positive float, highest first: 11 + 11 + 9.
const DIGITS = [{ shift: 20, bits: 11 }, { shift: 9, bits: 11 }, { shift: 0, bits: 9 }];

/**
 * BatchTopK (Eq. 7): keeps the `wanted` largest positive pre-activations of the whole batch, exactly
 * that many where there are, ties broken by (row, latent) order.
 */
export async function selectBatch(
  gpu: Gpu,
  buffers: BufferSet,
  { z, wanted, out, step, lastActive, stats }: {
    z: PreActivations;
    wanted: number;
    out: SparseRows;
  } & StepBuffers,
): Promise<Operation[]> {
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  const vector = z.cols % 4 === 0;
  const counts = buffers.zeros("histogram", 2048);
  const state = buffers.zeros("selection", 4);
  const ties = buffers.zeros("ties a row", rows);
  const operations: Operation[] = [];
  for (const [pass, digit] of DIGITS.entries()) {
    for (const block of z.blocks) {
      const numbers = block.rows * z.cols;
      const sizes = buffers.uniform("histogram sizes", words([numbers]));
      const bound = pass === 0 ? [sizes, block.z, counts] : [sizes, block.z, counts, state];
      // 64 numbers a lane: few enough workgroups that adding up their histograms costs little. On
      // software adapters 16 do: OpenGL zeroes workgroup memory one element after the other.
      const workgroups = Math.min(gpu.software ? 16 : 1024, Math.ceil(numbers / (256 * 64)));
      operations.push(
        await createOperation(gpu, "histogram", histogram({ ...digit, vector }), bound, workgroups),
      );
    }
    const sizes = buffers.uniform("choose digit sizes", words([wanted]));
    const code = chooseDigit({ ...digit, first: pass === 0 });
    operations.push(
      await createOperation(
        gpu,
        "choose digit",
        code,
        pass === 0 ? [counts, state, sizes] : [counts, state],
        1,
      ),
    );
  }
  for (const block of z.blocks) {
    const sizes = buffers.uniform("count rows sizes", words([block.rows, z.cols, block.first]));
    const bound = [sizes, block.z, state, out.kept, ties];
    const code = countRows({ mode: "batch", vector });
    operations.push(await createOperation(gpu, "count rows", code, bound, block.rows));
  }
  const planSizes = buffers.uniform("plan rows sizes", words([rows]));
  const planned = [planSizes, state, out.kept, ties];
  operations.push(await createOperation(gpu, "plan rows", planRows(), planned, 1));
  operations.push(await scanCounts(gpu, buffers, out.kept, out.offsets, 0, rows));
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, state];
    operations.push(
      await createOperation(
        gpu,
        "write rows of the batch",
        writeRows({ mode: "batch", lanes: writingLanes(gpu), vector }),
        [...bound, ties, step, lastActive, stats],
        block.rows,
      ),
    );
  }
  return operations;
}

/** Inference: counts what is above each latent's threshold, and turns counts into row offsets. */
export async function countAbove(
  gpu: Gpu,
  buffers: BufferSet,
  { z, threshold, kept, offsets }: {
    z: PreActivations;
    threshold: GPUBuffer;
    kept: GPUBuffer;
    offsets: GPUBuffer;
  },
): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const block of z.blocks) {
    const sizes = buffers.uniform("count rows sizes", words([block.rows, z.cols, block.first]));
    const bound = [sizes, block.z, threshold, kept];
    const code = countRows({ mode: "latent", vector: z.cols % 4 === 0 });
    operations.push(await createOperation(gpu, "count rows", code, bound, block.rows));
  }
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  operations.push(await scanCounts(gpu, buffers, kept, offsets, 0, rows));
  return operations;
}

/** Inference: writes what is above each latent's threshold, where `countAbove` found its place. */
export async function writeAbove(
  gpu: Gpu,
  buffers: BufferSet,
  { z, threshold, out }: { z: PreActivations; threshold: GPUBuffer; out: SparseRows },
): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    const code = writeRows({ mode: "latent", lanes: writingLanes(gpu), vector: z.cols % 4 === 0 });
    operations.push(await createOperation(gpu, "write rows", code, bound, block.rows));
  }
  return operations;
}

/** offsets[first + i + 1] = offsets[first] + Σ counts[first … first + i]. */
export async function scanCounts(
  gpu: Gpu,
  buffers: BufferSet,
  counts: GPUBuffer,
  offsets: GPUBuffer,
  first: number,
  length: number,
): Promise<Operation> {
  const sizes = buffers.uniform("scan sizes", words([first, length]));
  return await createOperation(gpu, "scan", scan(), [sizes, counts, offsets], 1);
}

/** Lanes of a workgroup that write a row; see the kernel. */
export const writingLanes = (gpu: Gpu): 8 | 64 => gpu.software ? 8 : 64;
