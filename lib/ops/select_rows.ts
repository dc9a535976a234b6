import { listDead } from "../../kernels/list_dead.ts";
import { STEP_AT } from "../../kernels/prelude.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Gpu } from "../device/gpu.ts";
import { type Program, u32 } from "../device/program.ts";
import { screeningOf } from "./choose_screening.ts";
import { packBoth } from "./round_on_gpu.ts";
import type { StepBuffers } from "./select.ts";
import type { Encoding } from "./select_active.ts";
import { selectLargest } from "./select_largest.ts";
import { selectOnCpu } from "./select_on_cpu.ts";
import type { SparseRows } from "./sparse_rows.ts";

/**
 * Entries of the auxiliary loss: per sample, the `wanted` largest positive pre-activations of dead
 * latents, written after the samples' own rows (row r becomes row `rows` + r of `out`). On a GPU nothing
 * runs if no latent is dead; `out.kept` must be zero.
 */
export function selectDead(
  p: Program,
  { encoding: { input, weights, packed, onCpu }, rows, wanted, out, dead }: {
    encoding: Encoding;
    rows: number;
    wanted: number;
    out: SparseRows;
    /** [1 + m] {their number, the latents, ascending}. */
    dead: DeviceBuffer;
  },
): void {
  const selection = { rows, input, weights, wanted, out };
  if (onCpu) {
    selectOnCpu(p, { ...selection, ...onCpu, firstRow: rows, cut: "row", among: dead });
    return;
  }
  const factors = screeningOf(p.device as Gpu);
  const own = packed ?? packBoth(p, { factors, rows, input, weights });
  selectLargest(p, { ...selection, packed: own, firstOut: rows, among: dead });
}

/** Lists the dead latents in `dead` [1 + m] {number, latents ascending}, and their number in `stats[2]`. */
export function listDeadLatents(
  p: Program,
  { latents, deadAfter, step, lastActive, stats, dead }:
    & { latents: number; deadAfter: number; dead: DeviceBuffer }
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
  p.kernel(listDead(), {
    sizes: { latents, deadAfter },
    bind: { step, lastActive, stats, dead },
    workgroups: 1,
  });
}

/** The loop of {@linkcode listDeadLatents}, one work item. */
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
