import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkSae } from "../sae/check.ts";
import { initializeSae } from "../sae/initialize.ts";
import type { Sae } from "../sae/sae.ts";
import { isRagged, type Settings } from "./options.ts";

/** The SAE that training starts from: `initial`, or a new one as wide as the first batch. */
export function startingSae(settings: Settings, batch: Matrix): Sae {
  const { architecture, dictSize, subtractDecoderBias, initial, metadata } = settings;
  const k = isRagged(architecture) ? undefined : settings.k;
  const threshold = architecture === "jumprelu"
    ? { threshold: startingThreshold(settings) }
    : undefined;
  if (initial) {
    const { threshold: _, k: __, ...rest } = initial;
    return {
      ...rest,
      architecture,
      ...(k === undefined ? {} : { k }),
      ...threshold,
      subtractDecoderBias,
      metadata: { ...initial.metadata, ...metadata },
    };
  }
  const random = createRandom(settings.seed);
  const shape = { architecture, dModel: batch.cols, dictSize, k, subtractDecoderBias };
  const sae = { ...initializeSae({ ...shape, random }), ...threshold, metadata };
  checkSae(sae);
  if (settings.bDec === "mean") sae.bDec = meanOfRows(batch);
  return sae;
}

/** θ of JumpReLU: of `initial`, or the same for every latent where a start is given. */
function startingThreshold({ dictSize, initial, initialThreshold }: Settings): Float32Array {
  if (initialThreshold === undefined && initial?.threshold) return initial.threshold.slice();
  return new Float32Array(dictSize).fill(initialThreshold ?? 0.01);
}

function meanOfRows({ data, rows, cols }: Matrix): Float32Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < data.length; i++) sums[i % cols] += data[i];
  return Float32Array.from(sums, (sum) => sum / rows);
}
