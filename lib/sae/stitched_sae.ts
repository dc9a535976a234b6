import { isWhole } from "../whole_number.ts";
import { checkSae } from "./check.ts";
import { inputTransformOf } from "./input_transform.ts";
import type { Sae } from "./sae.ts";

/**
 * Latents of two SAEs that reconstruct together (Eq. 5): x̂ = α·b₀ + (1 − α)·b₁ + Σ f₀ w₀ + Σ f₁ w₁ over
 * the chosen latents. Each latent keeps the encoder, pre-bias, threshold and competing latents of its own
 * SAE: a latent of a topk SAE is active where it is among the k largest of all of that SAE's latents.
 *
 * Latents are numbered from 0: first the chosen ones of the small SAE, then those of the large one.
 */
export interface StitchedSae {
  /** Distinguishes it from a plain SAE. */
  architecture: "stitched";
  /** Activation width d. */
  dModel: number;
  /** Number of chosen latents, |L₀| + |L₁|. */
  dictSize: number;
  /** SAE 0 of the paper, whole. */
  small: Sae;
  /** L₀: its chosen latents. */
  smallLatents: Uint32Array;
  /** SAE 1 of the paper, whole. */
  large: Sae;
  /** L₁: its chosen latents. */
  largeLatents: Uint32Array;
  /** Decoder bias α·b₀ + (1 − α)·b₁, [d], with α = |L₀| / (|L₀| + |L₁|). */
  bDec: Float32Array;
}

/** The SAEs that give a stitched one latents: which, and the number that the first of them has there. */
export function stitchedSides(
  { small, smallLatents, large, largeLatents }: StitchedSae,
): { sae: Sae; latents: Uint32Array; first: number }[] {
  return [
    { sae: small, latents: smallLatents, first: 0 },
    { sae: large, latents: largeLatents, first: smallLatents.length },
  ].filter(({ latents }) => latents.length > 0);
}

/**
 * Checks that both SAEs of a stitched one are consistent and reconstruct the same activations, and that its
 * latents exist, once each.
 *
 * @throws {TypeError | RangeError} Naming the field, what was found and what is wanted.
 */
export function checkStitchedSae(stitched: StitchedSae): void {
  const { small, large, dModel, dictSize, bDec } = stitched;
  checkSae(small, "small");
  checkSae(large, "large");
  checkSameSpace(small, large);
  const wanted = checkChoice(stitched);
  for (
    const [name, found, expected] of [
      ["dModel", dModel, small.dModel],
      ["dictSize", dictSize, wanted],
      ["bDec.length", bDec.length, small.dModel],
    ] as const
  ) {
    if (found !== expected) {
      throw new RangeError(`the stitched SAE's ${name} is ${found}, expected ${expected}`);
    }
  }
}

/**
 * Checks that reconstructions of two SAEs can be added.
 *
 * @throws {RangeError} They have another width, or transform or normalise their input in another way.
 */
export function checkSameSpace(small: Sae, large: Sae): void {
  if (small.dModel !== large.dModel) {
    throw new RangeError(
      `large.dModel is ${large.dModel}, expected ${small.dModel} as the small SAE has: ` +
        `they reconstruct activations of different widths`,
    );
  }
  const [own, other] = [inputTransformOf(small), inputTransformOf(large)];
  if (own !== other) {
    throw new RangeError(
      `large.inputTransform is ${other}, expected ${own} as the small SAE has: they reconstruct other ` +
        `activations`,
    );
  }
  if (small.inputNormalization !== large.inputNormalization) {
    // A factor that is the same for all samples can be made part of the weights.
    const folds = [small, large].every(({ inputNormalization }) =>
      inputNormalization === "none" || inputNormalization === "expected_average_only_in"
    );
    throw new RangeError(
      `large.inputNormalization is ${large.inputNormalization}, expected ` +
        `${small.inputNormalization} as the small SAE has: their decoders have different units` +
        (folds ? ". Fold the input's scale into the weights (foldScales)" : ""),
    );
  }
  if (small.inputScale !== large.inputScale) {
    throw new RangeError(
      `large.inputScale is ${large.inputScale}, expected ${small.inputScale} as the small SAE has: ` +
        `their decoders have different units. Fold both scales into the weights (foldScales)`,
    );
  }
}

/**
 * Checks the latents that are chosen of two SAEs.
 *
 * @returns How many they are.
 * @throws {RangeError} A latent is not in its SAE or is there twice, or there are none at all.
 */
export function checkChoice({ small, smallLatents, large, largeLatents }: {
  small: Sae;
  smallLatents: ArrayLike<number>;
  large: Sae;
  largeLatents: ArrayLike<number>;
}): number {
  checkLatents(smallLatents, small.dictSize, "smallLatents");
  checkLatents(largeLatents, large.dictSize, "largeLatents");
  const count = smallLatents.length + largeLatents.length;
  if (count === 0) throw new RangeError("no latent of either SAE was chosen, expected some");
  return count;
}

/** @throws {RangeError} A latent is not in a dictionary of this size, or is there twice. */
export function checkLatents(latents: ArrayLike<number>, dictSize: number, name: string): void {
  const seen = new Uint8Array(dictSize);
  for (let at = 0; at < latents.length; at++) {
    checkLatent(latents[at], dictSize, `${name}[${at}]`);
    if (seen[latents[at]]++) {
      throw new RangeError(`${name}[${at}] is ${latents[at]}, which is given twice`);
    }
  }
}

/** @throws {RangeError} There is no such latent in a dictionary of this size. */
export function checkLatent(latent: number, dictSize: number, name: string): void {
  if (!(isWhole(latent, 0, dictSize - 1))) {
    throw new RangeError(`${name} is ${latent}, expected a latent from 0 to ${dictSize - 1}`);
  }
}
