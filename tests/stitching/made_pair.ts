// Pairs of small random SAEs that have little in common, and activations for them.
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import type { Architecture, InputNormalization, Sae } from "../../lib/sae/sae.ts";
import type { LatentGroup } from "../../lib/stitching/latent_groups.ts";
import { randomMatrix, randomNumbers, randomSae } from "../gpu_helper.ts";

/** What a pair is made of. */
export interface PairOptions {
  seed: number;
  d: number;
  sizes: [small: number, large: number];
  architectures: [small: Architecture, large: Architecture];
  inputNormalization?: InputNormalization;
}

/** An SAE of an architecture; its latents 1 and 4 are never active. */
export function makeSae(
  seed: number,
  d: number,
  m: number,
  architecture: Architecture,
  inputNormalization: InputNormalization = "none",
): Sae {
  const threshold = architecture === "batchtopk"
    ? { threshold: new Float32Array(m).fill(0.8) }
    : architecture === "jumprelu"
    ? { threshold: randomNumbers(seed + 9, m, 0.7).map((value) => 0.8 + value) }
    : {};
  const k = architecture === "relu" || architecture === "jumprelu"
    ? {}
    : { k: Math.max(1, Math.floor(m / 5)) };
  const sae = randomSae(seed, d, m, {
    architecture,
    ...k,
    ...threshold,
    inputNormalization,
    ...(inputNormalization === "expected_average_only_in" ? { inputScale: 0.7 } : {}),
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
    small: makeSae(seed, d, sizes[0], architectures[0], inputNormalization),
    large: makeSae(seed + 101, d, sizes[1], architectures[1], inputNormalization),
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
