import { STATE } from "../../kernels/append_candidates.ts";
import type { Factors } from "../../kernels/dense_tiled.ts";
import { exactCounts, exactRows } from "../../kernels/exact_dots.ts";
import { judgeRows } from "../../kernels/row_cuts.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import {
  clear,
  createCandidates,
  evaluate,
  listCandidates,
  placeCandidates,
  planRows,
  writeCandidates,
} from "./candidates.ts";
import { packBoth, type PackedBoth } from "./round_on_gpu.ts";
import { runWhere } from "./run_where.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/**
 * Keeps all positive pre-activations above their latent's threshold. If the list of candidates is full, it
 * is made again with float32's bounds; if that fails too, about as many must be kept, and `dense` is used
 * (default: all pre-activations are computed one by one, twice). `out.offsets` count all, also above the
 * capacity of `out`.
 */
export function selectScreened(
  p: Program,
  { rows, input, weights, threshold, out, factors, capacity, dense }: {
    rows: number;
    input: DeviceBuffer;
    weights: Weights;
    /** [m] the thresholds. */
    threshold: DeviceBuffer;
    out: SparseRows;
    /** Number format of the first screening. */
    factors: Factors;
    /** Largest number of candidates. */
    capacity: number;
    /** Appends the fallback where the list is too short. */
    dense?: (p: Program) => void;
  },
): { packed: PackedBoth; state: DeviceBuffer } {
  const operands = { rows, input, weights };
  const { dModel: d, dictSize: cols, shards, bEnc: bias } = weights;
  const list = createCandidates(p, rows, cols, capacity);
  const { state, counts, limits } = list;
  const selection = p.buffers.zeros("no threshold", 2);
  const how = { cutOf: "latent", cuts: threshold, list } as const;
  const packed = packBoth(p, { ...operands, factors });
  const screen = (p: Program, packed: PackedBoth, last: number) => {
    listCandidates(p, operands, packed, how);
    evaluate(p, operands, how);
    p.kernel(judgeRows(), {
      sizes: { capacity: list.capacity, last },
      bind: { state },
      workgroups: 1,
    });
  };
  clear(p, state, 4);
  screen(p, packed, 0);
  runWhere(p, { flags: state, at: STATE.retry }, (p) => {
    screen(p, packBoth(p, { ...operands, factors: "float32" }), 1);
  });
  placeCandidates(p, { list, selection, rows, out });
  writeCandidates(p, { list, rows, cols, out });

  const computeAll = (p: Program) => {
    clear(p, counts, 2 * rows);
    for (const { first, latents, wEnc } of shards) {
      p.kernel(exactCounts({ d, cutOf: "latent" }), {
        sizes: { rows, first, latents },
        bind: { x: input, w: wEnc, bias, counts, cuts: threshold },
        workgroups: rows,
      });
    }
    planRows(p, { selection, list, rows, out });
    const { offsets, latents: outLatents, values, capacity: room } = out;
    for (const { first, latents, wEnc } of shards) {
      p.kernel(exactRows({ d, listed: false, cutOf: "latent" }), {
        sizes: { rows, first, latents, firstOut: 0, capacity: room, fresh: first === 0 ? 1 : 0 },
        bind: {
          ...{ x: input, w: wEnc, bias, limits, offsets },
          ...{ latents: outLatents, values, cuts: threshold },
        },
        workgroups: rows,
      });
    }
  };
  runWhere(p, { flags: state, at: STATE.failed }, dense ?? computeAll);
  return { packed, state };
}
