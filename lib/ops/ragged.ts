import { STEP_AT } from "../../kernels/prelude.ts";
import type { Factors } from "../../kernels/dense_tiled.ts";
import { jumpThresholds } from "../../kernels/jump_thresholds.ts";
import { noteActive } from "../../kernels/note_active.ts";
import { thresholdGradients } from "../../kernels/threshold_gradients.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { atomicMax, dotOn } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { createPreActivations } from "./pre_activations.ts";
import { encodeBatch } from "./encode.ts";
import type { SparseColumns } from "./gradients.ts";
import type { PackedBoth } from "./round_on_gpu.ts";
import { countAbove, type StepBuffers, writeAbove } from "./select.ts";
import { selectScreened } from "./select_above.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/** Parameters of JumpReLU besides the weights. */
export interface JumpThresholds {
  /** [m] log θ, the trained parameter. */
  logTheta: DeviceBuffer;
  /** [m] θ, computed from log θ in every step. */
  theta: DeviceBuffer;
  /** ε, width of the window around θ in which samples contribute to θ's gradient. */
  bandwidth: number;
}

/**
 * ReLU, or with `jump` JumpReLU: keeps every active pre-activation; `out` needs a capacity of n·m. ReLU
 * keeps those above 0. JumpReLU keeps those above θ, and with activation 0 those in the window below θ,
 * which contribute to its gradient.
 *
 * Where more than an eighth of all may be kept, pre-activations are stored and scanned instead, because a
 * dense product computes them faster than single dots. The decision uses float32's bounds, not those of
 * the first screening, so that runs agree.
 *
 * `penalties` [n] becomes Σ of each sample's activations (ReLU) or their number (JumpReLU).
 */
export function selectRagged(
  p: Program,
  { rows, input, weights, factors, out, penalties, jump, most, step, lastActive, stats }: {
    rows: number;
    input: DeviceBuffer;
    weights: Weights;
    /** Number format of the first screening. */
    factors: Factors;
    out: SparseRows;
    penalties: DeviceBuffer;
    jump?: JumpThresholds;
    /** Largest number of candidates (default: an eighth of all pre-activations). */
    most?: number;
  } & StepBuffers,
): PackedBoth {
  const threshold = p.buffers.zeros("selection thresholds", weights.dictSize);
  if (jump) exponentiate(p, weights.dictSize, jump, threshold);
  const { packed } = selectScreened(p, {
    ...{ rows, input, weights, threshold, out, factors },
    capacity: most ?? Math.max(65536, Math.ceil(rows * weights.dictSize / 8)),
    dense(p) {
      const z = createPreActivations(p.device, p.buffers, rows, weights.dictSize);
      encodeBatch(p, { input, weights, z });
      countAbove(p, { z, threshold, kept: out.kept, offsets: out.offsets });
      writeAbove(p, { z, threshold, out });
    },
  });
  const { offsets, latents, values } = out;
  p.kernel(noteActive({ jump: jump !== undefined }), {
    sizes: { rows },
    bind: { step, offsets, latents, values, lastActive, stats, penalties, theta: jump?.theta },
    workgroups: rows,
  });
  return packed;
}

/**
 * The part of {@linkcode selectRagged} after the selection, on the CPU: records active latents, sets
 * activations below θ to 0, and computes `penalties`.
 */
export function noteRagged(
  p: Program,
  { rows, out, penalties, jump, step, lastActive, stats }: {
    rows: number;
    out: SparseRows;
    penalties: DeviceBuffer;
    jump?: JumpThresholds;
  } & StepBuffers,
): void {
  p.loop(noteRows, {
    ...{ offsets: u32(out.offsets), latents: u32(out.latents), values: f32(out.values) },
    ...{ penalties: f32(penalties), theta: jump && f32(jump.theta), step: u32(step) },
    ...{ lastActive: u32(lastActive), stats: u32(stats) },
  }, rows);
}

/** θ from log θ on the CPU; returns the lower end of the window, θ − ε/2. */
export function exponentiateOnCpu(
  p: Program,
  latents: number,
  { logTheta, theta, bandwidth }: JumpThresholds,
): DeviceBuffer {
  const reach = p.buffers.zeros("selection thresholds", latents);
  const own = { logTheta: f32(logTheta), theta: f32(theta), reach: f32(reach) };
  p.loop(exponentiateLatents, { ...own, half: Math.fround(bandwidth / 2) }, latents);
  return reach;
}

function exponentiate(
  p: Program,
  latents: number,
  { logTheta, theta, bandwidth }: JumpThresholds,
  reach: DeviceBuffer,
): void {
  p.kernel(jumpThresholds(), {
    sizes: { latents, half: bandwidth / 2 },
    bind: { logTheta, theta, reach },
    workgroups: Math.ceil(latents / 64),
  });
}

/**
 * gradient[i]: the gradient with respect to latent i's log θ of the reconstruction and of penalty · Σ over
 * samples of L0 (straight-through, see the kernel). Afterwards entries below θ have gradient 0: call it
 * after `sortByLatent` and before everything that reads the sorted entries.
 */
export function differentiateThresholds(
  p: Program,
  { rows, jump, columns, weights, outputGradient, main, penalty, step, gradient }: {
    rows: number;
    jump: JumpThresholds;
    columns: SparseColumns;
    weights: Weights;
    /** [d] main · Σ_r e[r], where e is the residual. */
    outputGradient: DeviceBuffer;
    /** Factor between residuals and gradients. */
    main: number;
    /** λ / n. */
    penalty: number;
    /** Uniform {…, sparsity}: the current share of λ. */
    step: DeviceBuffer;
    gradient: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    const { latentOffsets, factors } = columns;
    p.loop(differentiateLogTheta, {
      ...{ theta: f32(jump.theta), latentOffsets: u32(latentOffsets), factors: f32(factors) },
      ...{ wDec: f32(weights.shards[0].wDec), outputGradient: f32(outputGradient) },
      ...{ gradient: f32(gradient), step: f32(step), rows, d: weights.dModel },
      ...{ main: Math.fround(main), bandwidth: jump.bandwidth, penalty },
    }, weights.dictSize);
    return;
  }
  for (const { first, latents, wDec } of weights.shards) {
    const { theta, bandwidth } = jump;
    const { latentOffsets, factors } = columns;
    p.kernel(thresholdGradients({ d: weights.dModel }), {
      sizes: { rows, firstLatent: first, latents, main, bandwidth, penalty },
      bind: { theta, latentOffsets, factors, wDec, outputGradient, gradient, step },
      workgroups: Math.ceil(latents / 64),
    });
  }
}

/** theta = exp(logTheta), reach = theta − half; over latents. */
export function exponentiateLatents(
  { logTheta, theta, reach, half }: {
    logTheta: Float32Array;
    theta: Float32Array;
    reach: Float32Array;
    half: number;
  },
  from: number,
  to: number,
): void {
  for (let latent = from; latent < to; latent++) {
    theta[latent] = Math.exp(logTheta[latent]);
    reach[latent] = theta[latent] - half;
  }
}

/** The loop of {@linkcode noteRagged}, over rows. */
export function noteRows(
  { offsets, latents, values, penalties, theta, step, lastActive, stats }: {
    offsets: Uint32Array;
    latents: Uint32Array;
    values: Float32Array;
    penalties: Float32Array;
    theta: Float32Array | undefined;
    step: Uint32Array;
    lastActive: Uint32Array;
    stats: Uint32Array;
  },
  from: number,
  to: number,
): void {
  let least = Infinity;
  for (let row = from; row < to; row++) {
    let sum = 0;
    for (let j = offsets[row]; j < offsets[row + 1]; j++) {
      const value = values[j];
      if (theta && !(value > theta[latents[j]])) {
        values[j] = 0;
        continue;
      }
      sum += theta ? 1 : value;
      least = Math.min(least, value);
      lastActive[latents[j]] = step[STEP_AT.step];
    }
    penalties[row] = sum;
  }
  if (least < Infinity) {
    atomicMax(stats, 1, ~new Uint32Array(Float32Array.of(least).buffer)[0] >>> 0);
  }
}

/** The loop of {@linkcode differentiateThresholds}, over latents; the sums are float64. */
export function differentiateLogTheta(
  { theta, latentOffsets, factors, wDec, outputGradient, gradient, step, ...sizes }: {
    theta: Float32Array;
    latentOffsets: Uint32Array;
    factors: Float32Array;
    wDec: Float32Array;
    outputGradient: Float32Array;
    gradient: Float32Array;
    step: Float32Array;
    rows: number;
    d: number;
    main: number;
    bandwidth: number;
    penalty: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { rows, d, main, bandwidth, penalty } = sizes;
  const dot = dotOn(thread);
  for (let latent = from; latent < to; latent++) {
    const limit = theta[latent];
    const [first, last] = [latentOffsets[latent], latentOffsets[latent + 1]];
    let [inside, all, samples] = [0, 0, 0];
    for (let j = first; j < last; j++) {
      const delta = factors[2 * j + 1];
      all += delta;
      if (factors[2 * j] / main < limit + bandwidth / 2) {
        inside += delta;
        samples++;
      }
      // Below θ: the gradient must not reach the encoder.
      if (factors[2 * j] === 0) factors[2 * j + 1] = 0;
    }
    // Without such samples the difference would be rounding noise, which Adam would turn into a step.
    if (limit < bandwidth / 2 && rows > last - first) {
      inside += dot(outputGradient, 0, wDec, latent * d, d) - all;
      samples += rows - (last - first);
    }
    gradient[latent] = -limit / bandwidth *
      (limit * inside + penalty * step[STEP_AT.sparsity] * samples);
  }
}
