import { listDead } from "../../kernels/list_dead.ts";
import { selectRows } from "../../kernels/select_rows.ts";
import { writeRows } from "../../kernels/write_rows.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation, spreadWorkgroups } from "../gpu/kernel.ts";
import type { PreActivations } from "./encode.ts";
import { scanCounts, type StepBuffers, writingLanes } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import { words } from "./words.ts";

/**
 * TopK (Eq. 9): keeps the `wanted` largest positive pre-activations of each sample, exactly that many
 * where there are, ties broken by latent order.
 */
export async function selectTopK(
  gpu: Gpu,
  buffers: BufferSet,
  { z, wanted, out, step, lastActive, stats }: {
    z: PreActivations;
    wanted: number;
    out: SparseRows;
  } & StepBuffers,
): Promise<Operation[]> {
  const rows = countRowsOf(z);
  const threshold = buffers.zeros("threshold a row", rows);
  const quota = buffers.zeros("ties a row", rows);
  const operations: Operation[] = [];
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "select rows sizes",
      words([block.rows, z.cols, block.first, wanted, block.first]),
    );
    const bound = [sizes, block.z, threshold, quota, out.kept];
    const code = selectRows({ dead: false, vector: z.cols % 4 === 0 });
    operations.push(await createOperation(gpu, "select rows", code, bound, block.rows));
  }
  operations.push(await scanCounts(gpu, buffers, out.kept, out.offsets, 0, rows));
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    bound.push(quota, step, lastActive, stats);
    const code = writeRows({ mode: "row", lanes: writingLanes(gpu), vector: z.cols % 4 === 0 });
    operations.push(await createOperation(gpu, "write rows", code, bound, block.rows));
  }
  return operations;
}

/** Where dead latents are listed. */
export interface DeadLatents {
  /** [1 + m] {their number, the latents, ascending}. */
  dead: GPUBuffer;
  /** Workgroups for {@linkcode selectDead}. */
  dispatch: GPUBuffer;
}

/**
 * Candidates of the auxiliary loss: for each sample the `wanted` largest positive pre-activations of
 * dead latents, written behind the samples' own rows (row r becomes row `rows` + r of `out`). Nothing
 * runs where `dispatch` of `listDeadLatents` says that none is dead: `out.kept` must then be zero.
 */
export async function selectDead(
  gpu: Gpu,
  buffers: BufferSet,
  { z, wanted, out, dead, dispatch }: {
    z: PreActivations;
    wanted: number;
    out: SparseRows;
  } & DeadLatents,
): Promise<Operation[]> {
  const rows = countRowsOf(z);
  const threshold = buffers.zeros("threshold a row", rows);
  const quota = buffers.zeros("ties a row", rows);
  const operations: Operation[] = [];
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "select rows sizes",
      words([block.rows, z.cols, block.first, wanted, rows + block.first]),
    );
    const bound = [sizes, block.z, threshold, quota, out.kept, dead];
    const code = selectRows({ dead: true });
    operations.push(await createOperation(gpu, "select dead", code, bound, dispatch));
  }
  operations.push(await scanCounts(gpu, buffers, out.kept, out.offsets, rows, rows));
  for (const block of z.blocks) {
    const sizes = buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, rows + block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    bound.push(quota, dead);
    const code = writeRows({ mode: "dead", lanes: writingLanes(gpu) });
    operations.push(await createOperation(gpu, "write dead", code, bound, dispatch));
  }
  return operations;
}

/**
 * Lists the dead latents, counts them into `stats[2]`, and says in `dispatch` how many workgroups
 * `selectDead` needs for batches of `rows` samples: none where no latent is dead.
 */
export async function listDeadLatents(
  gpu: Gpu,
  buffers: BufferSet,
  { latents, rows, deadAfter, step, lastActive, stats, dead, dispatch }:
    & { latents: number; rows: number; deadAfter: number }
    & DeadLatents
    & StepBuffers,
): Promise<Operation> {
  const [x, y] = spreadWorkgroups(gpu, rows);
  const sizes = buffers.uniform("list dead sizes", words([latents, deadAfter, x, y]));
  const bound = [sizes, step, lastActive, stats, dispatch, dead];
  return await createOperation(gpu, "list dead", listDead(), bound, 1);
}

function countRowsOf(z: PreActivations): number {
  return z.blocks.reduce((sum, block) => sum + block.rows, 0);
}
