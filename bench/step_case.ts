// One training step to be measured: its batches, its weights, and our own run of it.
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
import { type Shape, stepTimes } from "./step_table.ts";

/** What is trained, by us and by the peers alike. */
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
 * Two batches and initial weights. relu and jumprelu, which are told no k, start from an encoder bias with
 * which about `l0` latents are active.
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

/** An encoder bias with which l0 latents a sample are above the threshold, measured on the first rows. */
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
  // A little below, so that none is zero where all are active.
  return new Float32Array(m).fill(threshold - z[z.length - rows * l0] + 1e-3);
}

/**
 * Takes our step.
 *
 * @param every Steps between two looks at the device: 1 gives the time of each step; a GPU that is looked at
 * every step waits for it.
 */
export async function runOurs(
  device: Device,
  { batches, initial, options }: StepInputs,
  steps: number,
  every: number,
): Promise<{ milliseconds: number[]; l0: [number, number]; loss: number }> {
  // Whole stretches between two looks, the first of them for warming up.
  const count = every === 1 ? WARMUP + steps : 2 * every;
  const told: { step: number; time: number }[] = [];
  const { history } = await trainSae(device, stream(batches, count), {
    architecture: initial.architecture,
    ...options,
    initial,
    recordEvery: every,
    thresholdBatches: 1,
    onProgress: (records) => told.push({ step: records.at(-1)!.step, time: performance.now() }),
  });
  const { loss, l0 } = history.at(-1)!;
  const milliseconds = stepTimes(told, every === 1 ? WARMUP : every);
  return { milliseconds, loss, l0: [history[0].l0, l0] };
}

/**
 * The share of a step that each loop of the CPU takes, summed by name, largest first; undefined on a GPU,
 * whose stages are not waited for one by one.
 */
export async function shareStages(
  device: Device,
  { batches, initial, options }: StepInputs,
): Promise<Record<string, number> | undefined> {
  if (!isCpu(device)) return undefined;
  const { run } = device;
  const times = new Map<string, number>();
  device.run = async (stages) => {
    for (const stage of stages) {
      const begun = performance.now();
      await run([stage]);
      times.set(stage.name, (times.get(stage.name) ?? 0) + performance.now() - begun);
    }
  };
  try {
    await trainSae(device, stream(batches, WARMUP + 2), {
      architecture: initial.architecture,
      ...options,
      initial,
      recordEvery: 1,
      thresholdBatches: 1,
      onProgress: (records) => records.at(-1)!.step === WARMUP && times.clear(),
    });
  } finally {
    device.run = run;
  }
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const sorted = [...times].sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([name, time]) => [name, time / total]));
}

function* stream(batches: Matrix[], count: number) {
  for (let step = 0; step < count; step++) yield batches[step % batches.length];
}
