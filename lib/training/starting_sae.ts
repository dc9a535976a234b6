import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkSae } from "../sae/check.ts";
import { initializeSae } from "../sae/initialize.ts";
import type { Sae } from "../sae/sae.ts";
import type { Settings } from "./options.ts";

/** The SAE that training starts from: `initial`, or a new one as wide as the first batch. */
export function startingSae(settings: Settings, batch: Matrix): Sae {
  const { architecture, dictSize, k, subtractDecoderBias, initial, metadata } = settings;
  if (initial) {
    const { threshold: _, ...rest } = initial;
    return {
      ...rest,
      architecture,
      k,
      subtractDecoderBias,
      metadata: { ...initial.metadata, ...metadata },
    };
  }
  const random = createRandom(settings.seed);
  const shape = { architecture, dModel: batch.cols, dictSize, k, subtractDecoderBias };
  const sae = { ...initializeSae({ ...shape, random }), metadata };
  checkSae(sae);
  if (settings.bDec === "mean") sae.bDec = meanOfRows(batch);
  return sae;
}

function meanOfRows({ data, rows, cols }: Matrix): Float32Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < data.length; i++) sums[i % cols] += data[i];
  return Float32Array.from(sums, (sum) => sum / rows);
}
