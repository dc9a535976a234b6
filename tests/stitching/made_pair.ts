// Pairs of small random SAEs that have little in common, and activations for them.
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import type { Architecture, InputNormalization, Sae } from "../../lib/sae/sae.ts";
import type { LatentGroup } from "../../lib/stitching/latent_groups.ts";
import { NARROW, randomMatrix, SMALL } from "../gpu_helper.ts";
import { makeSae } from "./made_saes.ts";

/** What a pair is made of. */
export interface PairOptions {
  seed: number;
  d: number;
  sizes: [small: number, large: number];
  architectures: [small: Architecture, large: Architecture];
  inputNormalization?: InputNormalization;
}

/** Pairs of all architectures and normalizations, with the rows of their batches. */
export const PAIRS: (PairOptions & { rows: number[]; limits?: DeviceOptions })[] = [
  { seed: 1, d: 9, sizes: [20, 33], architectures: ["batchtopk", "batchtopk"], rows: [20, 1, 14] },
  { seed: 2, d: 70, sizes: [12, 7], architectures: ["relu", "topk"], rows: [9], limits: SMALL },
  {
    seed: 3,
    d: 5,
    sizes: [6, 40],
    architectures: ["topk", "jumprelu"],
    rows: [30],
    limits: NARROW,
  },
  {
    seed: 4,
    d: 16,
    sizes: [40, 44],
    architectures: ["jumprelu", "relu"],
    rows: [25],
    limits: SMALL,
  },
  { seed: 5, d: 3, sizes: [1, 1], architectures: ["relu", "relu"], rows: [1] },
  {
    ...{ seed: 6, d: 12, sizes: [9, 20], architectures: ["relu", "batchtopk"], rows: [11, 8] },
    inputNormalization: "layer_norm",
  },
  {
    ...{ seed: 7, d: 12, sizes: [9, 20], architectures: ["batchtopk", "topk"], rows: [19] },
    inputNormalization: "expected_average_only_in",
  },
  {
    ...{ seed: 8, d: 12, sizes: [9, 20], architectures: ["jumprelu", "topk"], rows: [19] },
    inputNormalization: "constant_norm_rescale",
  },
];

/** An SAE of an architecture; its latents 1 and 4 are never active. */
export function makeSleepingSae(
  seed: number,
  d: number,
  m: number,
  architecture: Architecture,
  normalization?: InputNormalization,
): Sae {
  const sae = makeSae({
    ...{ architecture, seed, d, m, normalization },
    ...(architecture === "topk" ? { k: Math.max(1, Math.floor(m / 5)) } : {}),
    subtractDecoderBias: seed % 2 === 0,
  });
  for (const latent of [1, 4]) if (latent < m) sae.bEnc[latent] = -100;
  return sae;
}

/** Two SAEs of one width. */
export function makePair(
  { seed, d, sizes, architectures, inputNormalization }: PairOptions,
): { small: Sae; large: Sae } {
  return {
    small: makeSleepingSae(seed, d, sizes[0], architectures[0], inputNormalization),
    large: makeSleepingSae(seed + 101, d, sizes[1], architectures[1], inputNormalization),
  };
}

/** Batches of the given numbers of rows. */
export function makeRows(seed: number, d: number, rows: number[]): Matrix[] {
  return rows.map((count, index) => randomMatrix(seed + index, count, d, 1.5));
}

/** `count` groups that hold each latent with a chance of two in three; some of them have one side only. */
export function makeGroups(
  seed: number,
  { small, large }: { small: Sae; large: Sae },
  count: number,
) {
  const random = createRandom(seed);
  const deal = (dictSize: number) => {
    const hands: number[][] = Array.from({ length: count }, () => []);
    for (let latent = 0; latent < dictSize; latent++) {
      if (random.below(3) > 0) hands[random.below(count)].push(latent);
    }
    return hands;
  };
  const [left, right] = [deal(small.dictSize), deal(large.dictSize)];
  return left.map((latents, index): LatentGroup => ({
    small: Uint32Array.from(index === 1 ? [] : latents),
    large: Uint32Array.from(index === 2 ? [] : right[index]),
  }));
}

/** The numbers below `length`. */
export function upTo(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
