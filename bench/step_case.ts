// One training step to measure: its batches, its weights, and our run of it.
import { checkTrainOptions } from "../lib/training/mod.ts";
import {
  type Architecture,
  createRandom,
  type Device,
  initializeSae,
  type Matrix,
  type Sae,
  type TrainOptions,
  trainSae,
} from "../mod.ts";
import { isCpu } from "../lib/device/cpu.ts";
import { type Shape, shareStages, stepTimes } from "./step_table.ts";

/** Options of training that are the same for us and the peers. */
export interface StepInputs {
  shape: Shape;
  batches: Matrix[];
  initial: Sae;
  options:
    & Pick<
      TrainOptions,
      "auxCoefficient" | "deadAfter" | "sparsityCoefficient" | "bandwidth" | "initialThreshold"
    >
    & { learningRate: number };
}

/** Steps that compile kernels and fill caches. */
export const WARMUP = 2;

/**
 * Two batches and initial weights. relu and jumprelu, which have no k, start from an encoder bias with which
 * about `l0` latents are active.
 *
 * @param deadAfter Batches without activity after which a latent is dead and the auxiliary loss has work.
 */
export function makeInputs(
  shape: Shape,
  architecture: Architecture,
  l0: number,
  deadAfter: number,
): StepInputs {
  const { n, d, m, k } = shape;
  const random = createRandom(1);
  const batches = Array.from({ length: 2 }, () => ({
    rows: n,
    cols: d,
    data: Float32Array.from({ length: n * d }, () => random.uniform() + random.uniform() - 1),
  }));
  const weights = initializeSae({ architecture, dModel: d, dictSize: m, k, random });
  const learningRate = 3e-4;
  if (architecture === "topk" || architecture === "batchtopk") {
    const options = { learningRate, auxCoefficient: 1 / 32, deadAfter };
    return { shape, batches, initial: weights, options };
  }
  const jump = architecture === "jumprelu" ? { bandwidth: 0.02, initialThreshold: 0.05 } : {};
  const bEnc = biasFor(weights, batches[0].data, Math.min(l0, m), jump.initialThreshold ?? 0);
  const { k: _, ...unbounded } = weights;
  const options = { learningRate, sparsityCoefficient: 1e-5, ...jump };
  return { shape, batches, initial: { ...unbounded, bEnc }, options };
}

/** An encoder bias with which l0 latents per sample are above the threshold, measured on the first rows. */
function biasFor(
  { wEnc, dModel: d, dictSize: m }: Sae,
  data: Float32Array,
  l0: number,
  threshold: number,
): Float32Array {
  const rows = Math.min(data.length / d, 32);
  const z = Float32Array.from({ length: rows * m }, (_, at) => {
    const [row, latent] = [Math.floor(at / m) * d, at % m * d];
    let sum = 0;
    for (let c = 0; c < d; c++) sum += data[row + c] * wEnc[latent + c];
    return sum;
  }).sort();
  // Slightly below, so that none is exactly zero if all are active.
  return new Float32Array(m).fill(threshold - z[z.length - rows * l0] + 1e-3);
}

/** The measurements of one of our runs. */
export interface OurSteps {
  /** Milliseconds of each step, or the mean per step between two synchronizations. */
  milliseconds: number[];
  /** Active latents per sample, in the first and the last step. */
  l0: [first: number, last: number];
  /** Of the last step. */
  loss: number;
  /** Share of each stage, on the CPU device. */
  stages?: Record<string, number>;
}

/**
 * Takes our step.
 *
 * @param every Steps between two synchronizations with the device. With 1 each step is timed, but a GPU is idle
 * during each synchronization.
 */
export async function runOurs(
  device: Device,
  { batches, initial, options }: StepInputs,
  steps: number,
  every: number,
): Promise<OurSteps> {
  // Whole intervals between two synchronizations, the first of them for warming up.
  const [warmup, count] = every === 1 ? [WARMUP, WARMUP + steps] : [every, 2 * every];
  const stageTimes = () => isCpu(device) ? { ...device.times } : {};
  let [before, after] = [stageTimes(), stageTimes()];
  const told: { step: number; time: number }[] = [];
  const whole = checkTrainOptions({
    architecture: initial.architecture,
    ...options,
    initial,
    recordEvery: every,
    thresholdBatches: 1,
    onProgress({ records }) {
      const { step } = records.at(-1)!;
      told.push({ step, time: performance.now() });
      if (step === warmup) before = stageTimes();
      if (step === count) after = stageTimes();
    },
  });
  const { history } = await trainSae(device, stream(batches, count), whole);
  const { loss, l0 } = history.at(-1)!;
  return {
    milliseconds: stepTimes(told, warmup),
    loss,
    l0: [history[0].l0, l0],
    ...isCpu(device) ? { stages: shareStages(before, after) } : {},
  };
}

function* stream(batches: Matrix[], count: number) {
  for (let step = 0; step < count; step++) yield batches[step % batches.length];
}
