import { makeUnitRows } from "../ops/unit_rows.ts";
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
  const wDec = wEnc.slice();
  makeUnitRows({ x: wDec, d: dModel }, 0, dictSize);
  return {
    architecture,
    dModel,
    dictSize,
    wEnc,
    bEnc: new Float32Array(dictSize),
    wDec,
    bDec: new Float32Array(dModel),
    ...(k === undefined ? {} : { k }),
    subtractDecoderBias,
    inputNormalization: "none",
    metadata: {},
  };
}
