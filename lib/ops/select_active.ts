import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import { createPreActivations, encodeBatch, type PreActivations } from "./encode.ts";
import { type JumpThresholds, selectRagged } from "./ragged.ts";
import { countAbove, selectBatch, type StepBuffers, writeAbove } from "./select.ts";
import { selectTopK } from "./select_rows.ts";
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

/** What a selection leaves for the auxiliary loss: the pre-activations, where there are any. */
export interface Encoding {
  /** [n, d] what the encoder read. */
  input: DeviceBuffer;
  /** The encoder. */
  weights: Weights;
  /** The pre-activations on a GPU. */
  z?: PreActivations;
}

/**
 * Encodes a batch and keeps what `rule` says, as sparse rows with ascending latents: the values are
 * exact float32 dots, ties go to the first in (row, latent) order. Notes which latents were active.
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
  const z = createPreActivations(p.device, p.buffers, rows, weights.dictSize);
  encodeBatch(p, { input, weights, z });
  if (rule.by === "batch") selectBatch(p, { z, wanted: rule.wanted, out, ...state });
  else if (rule.by === "row") selectTopK(p, { z, wanted: rule.wanted, out, ...state });
  else selectRagged(p, { z, out, penalties: rule.penalties, jump: rule.jump, ...state });
  return { input, weights, z };
}

/**
 * Inference (Eq. 8): encodes a batch and keeps what is above its latent's threshold. `out.offsets`
 * say how many there are, also where `out` has not room for all of them.
 */
export function selectAbove(
  p: Program,
  { rows, input, weights, threshold, out }: {
    rows: number;
    input: DeviceBuffer;
    weights: Weights;
    /** [m] the thresholds. */
    threshold: DeviceBuffer;
    out: SparseRows;
  },
): void {
  const z = createPreActivations(p.device, p.buffers, rows, weights.dictSize);
  encodeBatch(p, { input, weights, z });
  countAbove(p, { z, threshold, kept: out.kept, offsets: out.offsets });
  writeAbove(p, { z, threshold, out });
}
