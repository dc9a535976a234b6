import { STEP_AT } from "../../kernels/prelude.ts";
import { listDead } from "../../kernels/list_dead.ts";
import { selectRows } from "../../kernels/select_rows.ts";
import { writeDead, writeKept } from "../../kernels/write_rows.ts";
import { isCpu } from "../device/cpu.ts";
import { type Program, u32 } from "../device/program.ts";
import type { Encoding } from "./select_active.ts";
import { selectOnCpu } from "./select_on_cpu.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { spreadWorkgroups } from "../device/kernel.ts";
import { createPreActivations, encodeBatch, type PreActivations } from "./encode.ts";
import { scanCounts, type StepBuffers, writingLanes } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";

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
  const vector = z.cols % 4 === 0;
  const { kept, offsets, latents, values, capacity } = out;
  const threshold = p.buffers.zeros("threshold a row", rows);
  const quota = p.buffers.zeros("ties a row", rows);
  for (const block of z.blocks) {
    p.kernel(selectRows({ dead: false, vector }), {
      sizes: sizesOf(z, block, { wanted, firstKept: block.first }),
      bind: { z: block.z, threshold, quota, kept },
      workgroups: block.rows,
    });
  }
  scanCounts(p, kept, offsets, 0, rows);
  for (const block of z.blocks) {
    p.kernel(writeKept({ perRow: true, lanes: writingLanes(p.device), vector }), {
      sizes: sizesOf(z, block, { firstOut: block.first, capacity }),
      bind: {
        ...{ z: block.z, offsets, latents, values, threshold, quota },
        ...{ step, lastActive, stats },
      },
      workgroups: block.rows,
    });
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
  const { input, weights, onCpu } = encoding;
  if (onCpu) {
    const selection = { rows, out, wanted, firstRow: rows, input, weights, ...onCpu };
    selectOnCpu(p, { ...selection, cut: "row", among: dead });
    return;
  }
  const z = encoding.z ?? createPreActivations(p.device, p.buffers, rows, weights.dictSize);
  if (!encoding.z) encodeBatch(p, { input, weights, z });
  const { kept, offsets, latents, values, capacity } = out;
  const threshold = p.buffers.zeros("threshold a row", rows);
  const quota = p.buffers.zeros("ties a row", rows);
  for (const block of z.blocks) {
    p.kernel(selectRows({ dead: true }), {
      sizes: sizesOf(z, block, { wanted, firstKept: rows + block.first }),
      bind: { z: block.z, threshold, quota, kept, dead },
      workgroups: dispatch,
    });
  }
  scanCounts(p, kept, offsets, rows, rows);
  for (const block of z.blocks) {
    p.kernel(writeDead({ lanes: writingLanes(p.device) }), {
      sizes: sizesOf(z, block, { firstOut: rows + block.first, capacity }),
      bind: { z: block.z, offsets, latents, values, threshold, quota, dead },
      workgroups: dispatch,
    });
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
  p.kernel(listDead(), {
    sizes: { latents, deadAfter, x, y },
    bind: { step, lastActive, stats, dispatch, dead },
    workgroups: 1,
  });
}

/** The sizes of a kernel for one block of z, with what else it has. */
function sizesOf<More>(
  z: PreActivations,
  { rows, first: firstRow }: PreActivations["blocks"][number],
  more: More,
) {
  return { rows, cols: z.cols, firstRow, ...more };
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
    if (step[STEP_AT.step] - lastActive[latent] >= deadAfter) dead[++count] = latent;
  }
  dead[0] = count;
  stats[2] = count;
}
