import type { DeviceBuffer } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Program } from "../device/program.ts";
import { noteEntries } from "./candidates.ts";
import { screeningOf } from "./choose_screening.ts";
import { exponentiateOnCpu, type JumpThresholds, noteRagged, selectRagged } from "./ragged.ts";
import { packBoth, type PackedBoth } from "./round_on_gpu.ts";
import type { Rounded } from "./round_rows.ts";
import type { StepBuffers } from "./select.ts";
import { selectScreened } from "./select_above.ts";
import { selectOnCpu } from "./select_on_cpu.ts";
import { selectBatch } from "./select_batch.ts";
import { selectLargest } from "./select_largest.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/** Which pre-activations z = ReLU(input · wEncᵀ + bEnc) are kept. */
export type SelectionRule =
  /** BatchTopK (Eq. 7): the `wanted` largest of the batch. */
  | { by: "batch"; wanted: number }
  /** TopK (Eq. 9): the `wanted` largest of each row. */
  | { by: "row"; wanted: number }
  /** ReLU and JumpReLU in training: all above 0 or θ; see `selectRagged`. */
  | { by: "ragged"; penalties: DeviceBuffer; jump?: JumpThresholds };

/** Result of an encoding, for the auxiliary loss. */
export interface Encoding {
  /** [n, d] the encoder's input. */
  input: DeviceBuffer;
  /** The encoder. */
  weights: Weights;
  /** GPU: the batch and the encoder, rounded. */
  packed?: PackedBoth;
  /** CPU: the batch and the encoder in 8 bits, and {first bad number, …} of the step. */
  onCpu?: { rounded: Rounded; stats: DeviceBuffer };
}

/**
 * Encodes a batch and keeps pre-activations by `rule`, as sparse rows with ascending latents. Values are
 * exact float32 dots; of ties the first in (row, latent) order are kept. Records which latents are active.
 */
export function selectActive(
  p: Program,
  { rows, input, weights, rule, out, ...state }: {
    rows: number;
    input: DeviceBuffer;
    weights: Weights;
    rule: SelectionRule;
    out: SparseRows;
  } & StepBuffers,
): Encoding {
  const { stats } = state;
  if (isCpu(p.device)) {
    const shared = { rows, input, weights, out, stats };
    if (rule.by !== "ragged") {
      const { by: cut, wanted } = rule;
      const rounded = selectOnCpu(p, { ...shared, cut, wanted, notes: state });
      return { input, weights, onCpu: { rounded, stats } };
    }
    const threshold = rule.jump
      ? exponentiateOnCpu(p, weights.dictSize, rule.jump)
      : p.buffers.zeros("selection thresholds", weights.dictSize);
    const rounded = selectOnCpu(p, { ...shared, cut: "latent", threshold });
    noteRagged(p, { ...rule, rows, out, ...state });
    return { input, weights, onCpu: { rounded, stats } };
  }
  const factors = screeningOf(p.device as Gpu);
  if (rule.by === "batch") {
    const { wanted } = rule;
    const { packed } = selectBatch(p, { rows, input, weights, wanted, out, factors, ...state });
    return { input, weights, packed };
  }
  if (rule.by === "row") {
    const packed = packBoth(p, { factors, rows, input, weights });
    selectLargest(p, { rows, input, weights, wanted: rule.wanted, out, packed });
    noteEntries(p, { rows, out, ...state });
    return { input, weights, packed };
  }
  const { penalties, jump } = rule;
  const packed = selectRagged(p, { rows, input, weights, factors, out, penalties, jump, ...state });
  return { input, weights, packed };
}

/**
 * Inference (Eq. 8): encodes a batch and keeps pre-activations above their latent's threshold.
 * `out.offsets` count all, also above the capacity of `out`.
 */
export function selectAbove(
  p: Program,
  { rows, input, weights, threshold, out, stats }: {
    rows: number;
    input: DeviceBuffer;
    weights: Weights;
    /** [m] the thresholds. */
    threshold: DeviceBuffer;
    out: SparseRows;
    /** {first bad number, …}: position of the first number that is not finite. */
    stats: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    selectOnCpu(p, { rows, input, weights, threshold, out, stats, cut: "latent" });
    return;
  }
  const factors = screeningOf(p.device as Gpu);
  // Up to four candidates per entry; if they do not fit, the selection takes longer.
  const capacity = Math.max(65536, 4 * out.capacity);
  selectScreened(p, { rows, input, weights, threshold, out, factors, capacity });
}
