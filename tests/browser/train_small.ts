// A small training run, the same in Deno and in a page.
import { openDevice } from "../../lib/device/open_device.ts";
import { createRandom } from "../../lib/random.ts";
import type { Architecture } from "../../lib/sae/architectures/own_options.ts";
import { checkTrainOptions } from "../../lib/training/complete_options.ts";
import type { AnyTrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";

/** The results of a run in plain arrays: JSON keeps float32 numbers exactly. */
export interface SmallRun {
  /** The device's name. */
  device: string;
  /** The weights by name. */
  weights: Record<"wEnc" | "bEnc" | "wDec" | "bDec", number[]>;
  /** The loss of each step. */
  losses: number[];
}

/** The architectures, with the options that they need. */
export const RUNS: Record<string, Partial<AnyTrainOptions>> = {
  batchtopk: { k: 4 },
  topk: { k: 4, deadAfter: 5, inputNormalization: "layer_norm" },
  relu: { sparsityCoefficient: 0.02 },
  jumprelu: { sparsityCoefficient: 0.02, gradientClip: 0.05 },
};

/** Trains SAEs of 96 latents on 20 batches of 64 made samples of 24 numbers, one of each architecture. */
export async function trainSmall(
  kind: "software" | "cpu",
  architectures: (keyof typeof RUNS)[],
): Promise<SmallRun[]> {
  using device = await openDevice({ device: kind, denseStep: false });
  const random = createRandom(11);
  const batches = Array.from({ length: 20 }, () => ({
    data: Float32Array.from({ length: 64 * 24 }, () => random.uniform() + random.uniform() - 1),
    ...{ rows: 64, cols: 24 },
  }));
  const runs: SmallRun[] = [];
  for (const architecture of architectures) {
    const options = checkTrainOptions({
      ...{ architecture: architecture as Architecture, dictSize: 96, seed: 2 },
      ...RUNS[architecture],
    });
    const { sae, history } = await trainSae(device, batches, options);
    const { wEnc, bEnc, wDec, bDec } = sae;
    runs.push({
      device: device.name,
      weights: { wEnc: [...wEnc], bEnc: [...bEnc], wDec: [...wDec], bDec: [...bDec] },
      losses: history.map(({ loss }) => loss),
    });
  }
  return runs;
}
