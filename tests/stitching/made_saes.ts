// Small random SAEs of any kind, as tests of stitching need them.
import { createRandom } from "../../lib/random.ts";
import type { Architecture } from "../../lib/sae/architectures/own_options.ts";
import { architectureOf, ARCHITECTURES } from "../../lib/sae/architectures/registry.ts";
import type { InputNormalization, Sae } from "../../lib/sae/sae.ts";
import { randomNumbers, randomSae } from "../gpu_helper.ts";

export { ARCHITECTURES };

export const NORMALIZATIONS: InputNormalization[] = [
  "none",
  "layer_norm",
  "expected_average_only_in",
  "constant_norm_rescale",
];

/** An SAE of any kind, sparse enough that some latents are not active. */
export function makeSae(
  { architecture, seed, d, m, normalization = "none", ...more }:
    & { architecture: Architecture; seed: number; d: number; m: number }
    & { normalization?: InputNormalization }
    & Partial<Sae>,
): Sae {
  const kind = architectureOf(architecture);
  const threshold = kind.threshold === "learned"
    ? randomNumbers(seed + 4, m, 0.5).map((value) => value + 0.6)
    : kind.threshold === "measured"
    ? new Float32Array(m).fill(0.7)
    : undefined;
  return randomSae(seed, d, m, {
    architecture,
    inputNormalization: normalization,
    ...(normalization === "expected_average_only_in" ? { inputScale: 1.7 } : {}),
    ...(threshold ? { threshold } : {}),
    ...(kind.k !== "none" ? { k: Math.min(2, m) } : {}),
    ...more,
  });
}

/** `count` of the numbers 0 … size - 1, in random order. */
export function choose(seed: number, size: number, count: number): number[] {
  const random = createRandom(seed);
  const all = Array.from({ length: size }, (_, i) => i);
  for (let at = 0; at < size; at++) {
    const other = at + random.below(size - at);
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all.slice(0, count);
}
