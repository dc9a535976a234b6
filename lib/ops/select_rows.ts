import { listDead } from "../../kernels/list_dead.ts";
import { selectRows } from "../../kernels/select_rows.ts";
import { writeRows } from "../../kernels/write_rows.ts";
import { isCpu } from "../device/cpu.ts";
import { type Program, u32 } from "../device/program.ts";
import type { Encoding } from "./select_active.ts";
import { selectOnCpu } from "./select_on_cpu.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { spreadWorkgroups } from "../device/kernel.ts";
import type { PreActivations } from "./encode.ts";
import { scanCounts, type StepBuffers, writingLanes } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import { words } from "./words.ts";

/**
 * TopK (Eq. 9): keeps the `wanted` largest positive pre-activations of each sample, exactly that many
 * where there are, ties broken by latent order.
 */
export function selectTopK(
  p: Program,
  { z, wanted, out, step, lastActive, stats }: {
    z: PreActivations;
    wanted: number;
    out: SparseRows;
  } & StepBuffers,
): void {
  const rows = countRowsOf(z);
  const threshold = p.buffers.zeros("threshold a row", rows);
  const quota = p.buffers.zeros("ties a row", rows);
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "select rows sizes",
      words([block.rows, z.cols, block.first, wanted, block.first]),
    );
    const bound = [sizes, block.z, threshold, quota, out.kept];
    const code = selectRows({ dead: false, vector: z.cols % 4 === 0 });
    p.kernel("select rows", code, bound, block.rows);
  }
  scanCounts(p, out.kept, out.offsets, 0, rows);
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    bound.push(quota, step, lastActive, stats);
    const code = writeRows({
      mode: "row",
      lanes: writingLanes(p.device),
      vector: z.cols % 4 === 0,
    });
    p.kernel("write rows", code, bound, block.rows);
  }
}

/** Where dead latents are listed. */
export interface DeadLatents {
  /** [1 + m] {their number, the latents, ascending}. */
  dead: DeviceBuffer;
  /** Workgroups for {@linkcode selectDead}. */
  dispatch: DeviceBuffer;
}

/**
 * Candidates of the auxiliary loss: for each sample the `wanted` largest positive pre-activations of
 * dead latents, written behind the samples' own rows (row r becomes row `rows` + r of `out`). Nothing
 * runs where `dispatch` of `listDeadLatents` says that none is dead: `out.kept` must then be zero.
 */
export function selectDead(
  p: Program,
  { encoding, rows, wanted, out, dead, dispatch }: {
    encoding: Encoding;
    rows: number;
    wanted: number;
    out: SparseRows;
  } & DeadLatents,
): void {
  if (!("z" in encoding)) {
    const selection = { rows, out, wanted, firstRow: rows, ...encoding };
    selectOnCpu(p, { ...selection, cut: "row", among: dead });
    return;
  }
  const { z } = encoding;
  const threshold = p.buffers.zeros("threshold a row", rows);
  const quota = p.buffers.zeros("ties a row", rows);
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "select rows sizes",
      words([block.rows, z.cols, block.first, wanted, rows + block.first]),
    );
    const bound = [sizes, block.z, threshold, quota, out.kept, dead];
    const code = selectRows({ dead: true });
    p.kernel("select dead", code, bound, dispatch);
  }
  scanCounts(p, out.kept, out.offsets, rows, rows);
  for (const block of z.blocks) {
    const sizes = p.buffers.uniform(
      "write rows sizes",
      words([block.rows, z.cols, block.first, rows + block.first, out.capacity]),
    );
    const bound = [sizes, block.z, out.offsets, out.latents, out.values, threshold];
    bound.push(quota, dead);
    const code = writeRows({ mode: "dead", lanes: writingLanes(p.device) });
    p.kernel("write dead", code, bound, dispatch);
  }
}

/**
 * Lists the dead latents, counts them into `stats[2]`, and says in `dispatch` how many workgroups
 * `selectDead` needs for batches of `rows` samples: none where no latent is dead.
 */
export function listDeadLatents(
  p: Program,
  { latents, rows, deadAfter, step, lastActive, stats, dead, dispatch }:
    & { latents: number; rows: number; deadAfter: number }
    & DeadLatents
    & StepBuffers,
): void {
  if (isCpu(p.device)) {
    const own = {
      step: u32(step),
      lastActive: u32(lastActive),
      stats: u32(stats),
      dead: u32(dead),
    };
    p.loop(listDeadOnCpu, { ...own, latents, deadAfter }, 1);
    return;
  }
  const [x, y] = spreadWorkgroups(p.device, rows);
  const sizes = p.buffers.uniform("list dead sizes", words([latents, deadAfter, x, y]));
  const bound = [sizes, step, lastActive, stats, dispatch, dead];
  p.kernel("list dead", listDead(), bound, 1);
}

function countRowsOf(z: PreActivations): number {
  return z.blocks.reduce((sum, block) => sum + block.rows, 0);
}

/** The loop of {@linkcode listDeadLatents}, one piece of work. */
export function listDeadOnCpu(
  { step, lastActive, stats, dead, latents, deadAfter }: {
    step: Uint32Array;
    lastActive: Uint32Array;
    stats: Uint32Array;
    dead: Uint32Array;
    latents: number;
    deadAfter: number;
  },
): void {
  let count = 0;
  for (let latent = 0; latent < latents; latent++) {
    if (step[0] - lastActive[latent] >= deadAfter) dead[++count] = latent;
  }
  dead[0] = count;
  stats[2] = count;
}
