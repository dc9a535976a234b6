import { jumpThresholds } from "../../kernels/jump_thresholds.ts";
import { noteActive } from "../../kernels/note_active.ts";
import { thresholdGradients } from "../../kernels/threshold_gradients.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
import type { PreActivations } from "./encode.ts";
import type { SparseColumns } from "./gradients.ts";
import { countAbove, type StepBuffers, writeAbove } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";
import { words } from "./words.ts";

/** What JumpReLU has beside the weights. */
export interface JumpThresholds {
  /** [m] log θ, which is trained. */
  logTheta: GPUBuffer;
  /** [m] θ, made from log θ in every step. */
  theta: GPUBuffer;
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
export async function selectRagged(
  gpu: Gpu,
  buffers: BufferSet,
  { z, out, penalties, jump, step, lastActive, stats }: {
    z: PreActivations;
    out: SparseRows;
    penalties: GPUBuffer;
    jump?: JumpThresholds;
  } & StepBuffers,
): Promise<Operation[]> {
  const rows = z.blocks.reduce((sum, block) => sum + block.rows, 0);
  const threshold = buffers.zeros("selection thresholds", z.cols);
  const sizes = buffers.uniform("note active sizes", words([rows]));
  const bound = [sizes, step, out.offsets, out.latents, out.values, lastActive, stats, penalties];
  if (jump) bound.push(jump.theta);
  return [
    ...(jump ? [await exponentiate(gpu, buffers, z.cols, jump, threshold)] : []),
    ...await countAbove(gpu, buffers, { z, threshold, kept: out.kept, offsets: out.offsets }),
    ...await writeAbove(gpu, buffers, { z, threshold, out }),
    await createOperation(gpu, "note active", noteActive({ jump: !!jump }), bound, rows),
  ];
}

async function exponentiate(
  gpu: Gpu,
  buffers: BufferSet,
  latents: number,
  { logTheta, theta, bandwidth }: JumpThresholds,
  reach: GPUBuffer,
): Promise<Operation> {
  const sizes = buffers.uniform("thresholds sizes", words([latents], [bandwidth / 2]));
  const bound = [sizes, logTheta, theta, reach];
  const workgroups = Math.ceil(latents / 64);
  return await createOperation(gpu, "thresholds", jumpThresholds(), bound, workgroups);
}

/**
 * gradient[i]: the gradient by latent i's log θ, of the reconstruction and of penalty · Σ over samples
 * of L0 (straight-through, see the kernel). Entries below θ lose their gradient afterwards: run it
 * between `sortByLatent` and everything that reads the sorted entries.
 */
export async function differentiateThresholds(
  gpu: Gpu,
  buffers: BufferSet,
  { rows, jump, columns, weights, outputGradient, main, penalty, step, gradient }: {
    rows: number;
    jump: JumpThresholds;
    columns: SparseColumns;
    weights: Weights;
    /** [d] main · Σ_r e[r], e being the residual. */
    outputGradient: GPUBuffer;
    /** The factor that turns residuals into gradients. */
    main: number;
    /** λ / n. */
    penalty: number;
    /** Uniform {…, sparsity}: the share of λ that holds. */
    step: GPUBuffer;
    gradient: GPUBuffer;
  },
): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const { first, latents, wDec } of weights.shards) {
    const sizes = buffers.uniform(
      "threshold gradients sizes",
      words([rows, first, latents], [main, jump.bandwidth, penalty]),
    );
    const { latentOffsets, factors } = columns;
    const bound = [sizes, jump.theta, latentOffsets, factors, wDec, outputGradient, gradient, step];
    const code = thresholdGradients({ d: weights.dModel });
    const workgroups = Math.ceil(latents / 64);
    operations.push(await createOperation(gpu, "threshold gradients", code, bound, workgroups));
  }
  return operations;
}
