// A fixed small training run of each architecture and the hash of its results. On the CPU device the hash is the
// same on every machine, in Deno and in browsers; so this file does not use Deno's API.
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";

const [ROWS, D, LATENTS, STEPS] = [150, 21, 300, 15];

const SHARED = { dictSize: LATENTS, seed: 3, learningRate: 3e-3, deadAfter: 3 };

/** Options by architecture: with dead latents, normalised inputs and clipped gradients. */
export const FIXED_RUNS: Record<string, TrainOptions> = {
  batchtopk: {
    ...SHARED,
    architecture: "batchtopk",
    ...{ k: 4, auxK: 9, auxCoefficient: 0.5, inputNormalization: "layer_norm", gradientClip: 0.05 },
  },
  topk: {
    ...SHARED,
    architecture: "topk",
    ...{ k: 3, auxK: 7, auxCoefficient: 0.25, lossNormalization: "input_deviation" },
  },
  matryoshka: {
    ...SHARED,
    architecture: "matryoshka_batchtopk",
    ...{ k: 4, auxK: 9, auxCoefficient: 0.5, prefixes: [40, 300], gradientClip: 0.05 },
  },
  relu: {
    ...SHARED,
    architecture: "relu",
    ...{ sparsityCoefficient: 0.02, sparsityWarmupSteps: 6, gradientClip: 0.1 },
  },
  jumprelu: {
    ...SHARED,
    architecture: "jumprelu",
    ...{ sparsityCoefficient: 0.01, bandwidth: 0.1, initialThreshold: 0.3 },
  },
};

/** Batches whose samples have a few of thirty features each; the last one is smaller. */
export function makeBatches(): Matrix[] {
  const random = createRandom(17);
  const features = Float32Array.from({ length: 30 * D }, () => random.uniform() - 0.5);
  return Array.from({ length: STEPS }, (_, step) => {
    const rows = step === STEPS - 1 ? 37 : ROWS;
    const data = Float32Array.from({ length: rows * D }, () => 0.1 * random.uniform());
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < 3; j++) {
        const [feature, size] = [random.below(30), 1 + random.uniform()];
        for (let c = 0; c < D; c++) data[r * D + c] += size * features[feature * D + c];
      }
    }
    return { data, rows, cols: D };
  });
}

/** SHA-256, in hexadecimal, of each architecture's weights, thresholds and losses. */
export async function hashFixedRuns(
  device: Device,
  names = Object.keys(FIXED_RUNS),
): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of names) {
    const { sae, history } = await trainSae(device, makeBatches(), FIXED_RUNS[name]);
    const parts = [sae.wEnc, sae.bEnc, sae.wDec, sae.bDec, sae.threshold ?? new Float32Array()];
    parts.push(Float32Array.from(history, ({ loss }) => loss));
    parts.push(Float32Array.from(history, ({ deadLatents }) => deadLatents));
    hashes[name] = await hashOf(parts);
  }
  return hashes;
}

async function hashOf(parts: Float32Array[]): Promise<string> {
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(new Uint32Array(part.slice().buffer), at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
