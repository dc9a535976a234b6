import { jumpThresholds } from "../../kernels/jump_thresholds.ts";
import { noteActive } from "../../kernels/note_active.ts";
import { thresholdGradients } from "../../kernels/threshold_gradients.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import type { PreActivations } from "./encode.ts";
import type { SparseColumns } from "./gradients.ts";
import { countAbove, type StepBuffers, writeAbove } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";
import { words } from "./words.ts";

/** What JumpReLU has beside the weights. */
export interface JumpThresholds {
  /** [m] log θ, which is trained. */
  logTheta: DeviceBuffer;
  /** [m] θ, made from log θ in every step. */
  theta: DeviceBuffer;
  /** ε, width of the window around θ in which samples count for θ's gradient. */
  bandwidth: number;
}

/**
 * ReLU, or with `jump` JumpReLU: keeps every active pre-activation, however many there are; `out`
 * needs room for all of them, n·m. ReLU: those above 0. JumpReLU: those above θ, and with the activation
 * 0 those in the window below θ, which count for its gradient.
 *
 * `penalties` [n] gets Σ of each sample's activations (ReLU) or their number (JumpReLU).
 */
export function selectRagged(
  p: Program,
  { z, out, penalties, jump, step, lastActive, stats }: {
    z: PreActivations;
    out: SparseRows;
    penalties: DeviceBuffer;
    jump?: JumpThresholds;
  } & StepBuffers,
): void {
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  const threshold = p.buffers.zeros("selection thresholds", z.cols);
  const sizes = p.buffers.uniform("note active sizes", words([rows]));
  const bound = [sizes, step, out.offsets, out.latents, out.values, lastActive, stats, penalties];
  if (jump) bound.push(jump.theta);
  if (jump) exponentiate(p, z.cols, jump, threshold);
  countAbove(p, { z, threshold, kept: out.kept, offsets: out.offsets });
  writeAbove(p, { z, threshold, out });
  p.kernel("note active", noteActive({ jump: !!jump }), bound, rows);
}

function exponentiate(
  p: Program,
  latents: number,
  { logTheta, theta, bandwidth }: JumpThresholds,
  reach: DeviceBuffer,
): void {
  const sizes = p.buffers.uniform("thresholds sizes", words([latents], [bandwidth / 2]));
  const bound = [sizes, logTheta, theta, reach];
  const workgroups = Math.ceil(latents / 64);
  p.kernel("thresholds", jumpThresholds(), bound, workgroups);
}

/**
 * gradient[i]: the gradient by latent i's log θ, of the reconstruction and of penalty · Σ over samples
 * of L0 (straight-through, see the kernel). Entries below θ lose their gradient afterwards: run it
 * between `sortByLatent` and everything that reads the sorted entries.
 */
export function differentiateThresholds(
  p: Program,
  { rows, jump, columns, weights, outputGradient, main, penalty, step, gradient }: {
    rows: number;
    jump: JumpThresholds;
    columns: SparseColumns;
    weights: Weights;
    /** [d] main · Σ_r e[r], e being the residual. */
    outputGradient: DeviceBuffer;
    /** The factor that turns residuals into gradients. */
    main: number;
    /** λ / n. */
    penalty: number;
    /** Uniform {…, sparsity}: the share of λ that holds. */
    step: DeviceBuffer;
    gradient: DeviceBuffer;
  },
): void {
  for (const { first, latents, wDec } of weights.shards) {
    const sizes = p.buffers.uniform(
      "threshold gradients sizes",
      words([rows, first, latents], [main, jump.bandwidth, penalty]),
    );
    const { latentOffsets, factors } = columns;
    const bound = [sizes, jump.theta, latentOffsets, factors, wDec, outputGradient, gradient, step];
    const code = thresholdGradients({ d: weights.dModel });
    const workgroups = Math.ceil(latents / 64);
    p.kernel("threshold gradients", code, bound, workgroups);
  }
}
