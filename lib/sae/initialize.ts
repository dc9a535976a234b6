import type { Random } from "../random.ts";
import type { Architecture, Sae } from "./sae.ts";

/**
 * A new SAE: encoder rows uniform in ±√(6/m), decoder rows the same directions at norm 1, biases zero.
 * (Tied directions let every latent reconstruct what it detects from the first step on.)
 *
 * @param options Its shape, and the generator that draws the weights.
 */
export function initializeSae(
  { architecture, dModel, dictSize, k, subtractDecoderBias = true, random }: {
    architecture: Architecture;
    dModel: number;
    dictSize: number;
    k?: number;
    subtractDecoderBias?: boolean;
    random: Random;
  },
): Sae {
  const bound = Math.sqrt(6 / dictSize);
  const wEnc = new Float32Array(dictSize * dModel);
  for (let i = 0; i < wEnc.length; i++) wEnc[i] = (2 * random.uniform() - 1) * bound;
  return {
    architecture,
    dModel,
    dictSize,
    wEnc,
    bEnc: new Float32Array(dictSize),
    wDec: normalizeRows(wEnc, dModel),
    bDec: new Float32Array(dModel),
    ...(k === undefined ? {} : { k }),
    subtractDecoderBias,
    inputNormalization: "none",
    metadata: {},
  };
}

function normalizeRows(w: Float32Array, width: number): Float32Array {
  const unit = new Float32Array(w.length);
  for (let from = 0; from < w.length; from += width) {
    let squares = 0;
    for (let c = 0; c < width; c++) squares += w[from + c] ** 2;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let c = 0; c < width; c++) unit[from + c] = w[from + c] * scale;
  }
  return unit;
}
