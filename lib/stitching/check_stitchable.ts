import { checkSae } from "../sae/check.ts";
import { decoderNorm } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkSameSpace } from "../sae/stitched_sae.ts";
import { decoderBiasAgreement } from "./decoder_cosine.ts";

// SAEs trained here, and published ones, have decoder rows of norm 1 to about 1e-6.
const NORM_TOLERANCE = 0.01;

/**
 * Checks that two SAEs can be stitched: that they reconstruct the same activations. Everything that
 * compares or stitches SAEs calls it.
 *
 * The origin of an SAE is read from its metadata: `model`, `hook`, `contextSize` and `prependBos` as `saveSae`
 * and `saewing train` write them. `blocks.3.hook_resid_post` and
 * `blocks.4.hook_resid_pre` are one hook, and a model is known by the last part of its name: "models/gpt2"
 * and "Xenova/gpt2" are taken for the same.
 *
 * @param small SAE 0 of the paper.
 * @param large SAE 1 of the paper.
 * @returns Warnings, as sentences: differences that can change what the numbers mean.
 * @throws {RangeError | TypeError} An SAE is not consistent; they differ in dModel, transform or
 * normalisation of the input, model or hook.
 */
export function checkStitchable(small: Sae, large: Sae): string[] {
  checkSae(small, "small");
  checkSae(large, "large");
  checkSameSpace(small, large);
  return [
    ...compareSources(small, large, "model", modelName),
    ...compareSources(small, large, "hook", hookName),
    ...compareContexts(small, large),
    ...compareKinds(small, large),
    ...describeNorms(small, "small"),
    ...describeNorms(large, "large"),
    ...compareBiases(small, large),
    ...compareSeeds(small, large),
  ];
}

function compareSources(
  small: Sae,
  large: Sae,
  key: "model" | "hook",
  canonical: (name: string) => string,
): string[] {
  const [own, other] = [small.metadata[key], large.metadata[key]];
  if (typeof own !== "string" || typeof other !== "string") {
    const unknown = [[own, "small"], [other, "large"]]
      .filter(([name]) => typeof name !== "string").map(([, side]) => side).join(" and the ");
    return [`the ${key} of the ${unknown} SAE is not known: it is assumed to be the same`];
  }
  if (own === other) return [];
  if (canonical(own) !== canonical(other)) {
    throw new RangeError(
      `large.metadata.${key} is "${other}", expected "${own}" as the small SAE has: they ` +
        `reconstruct different activations. If both are the same ${key} under two names, set one name for both`,
    );
  }
  return key === "hook" ? [] : [`the models "${own}" and "${other}" are assumed to be the same`];
}

/** "models/gpt2/" and "Xenova/gpt2" → "gpt2". */
function modelName(name: string): string {
  return name.split(/[\\/]/).findLast((part) => part !== "") ?? name;
}

/** The output of a block is the input of the next. */
function hookName(name: string): string {
  const block = name.match(/^blocks\.(\d+)\.hook_resid_post$/)?.[1];
  return block === undefined ? name : `blocks.${Number(block) + 1}.hook_resid_pre`;
}

function compareContexts(small: Sae, large: Sae): string[] {
  const words = { contextSize: "context size", prependBos: "use of a BOS token" };
  return (["contextSize", "prependBos"] as const).flatMap((key) => {
    const [own, other] = [small.metadata[key], large.metadata[key]];
    if (own === undefined || other === undefined || own === other) return [];
    return [
      `the ${
        words[key]
      } in training differs (small: ${own}, large: ${other}): one of them may not ` +
      `know the activations it is measured on`,
    ];
  });
}

function compareKinds(small: Sae, large: Sae): string[] {
  const warnings = [];
  if (small.architecture !== large.architecture) {
    warnings.push(
      `the small SAE is ${small.architecture}, the large one ${large.architecture}: not all ` +
        `differences between them come from their sizes`,
    );
  }
  if (small.dictSize > large.dictSize) {
    warnings.push(
      `the small SAE has more latents (${small.dictSize}) than the large one (${large.dictSize})`,
    );
  }
  return warnings;
}

function describeNorms(sae: Sae, name: string): string[] {
  const m = sae.dictSize;
  let [others, least, most] = [0, Infinity, 0];
  for (let i = 0; i < m; i++) {
    const norm = decoderNorm(sae, i);
    if (Math.abs(norm - 1) > NORM_TOLERANCE) others++;
    least = Math.min(least, norm);
    most = Math.max(most, norm);
  }
  // A scale of the input that was folded into the weights is the same for all rows.
  const alike = least > 0 && most <= (1 + NORM_TOLERANCE) * least;
  if (others === 0 || alike) return [];
  return [
    `${others} of the ${name} SAE's ${m} decoder rows do not have norm 1 (${
      least.toPrecision(3)
    } to ` +
    `${most.toPrecision(3)}): its activations are in other units, its cosines are not affected`,
  ];
}

// The paper finds 0.997 at least (A.7).
const BIAS_COSINE = 0.9;

function compareBiases(small: Sae, large: Sae): string[] {
  if (!small.bDec.some(Boolean) && !large.bDec.some(Boolean)) return [];
  const { leastCosine, mostDifference } = decoderBiasAgreement([
    { name: "small", sae: small },
    { name: "large", sae: large },
  ]);
  if (leastCosine >= BIAS_COSINE && mostDifference <= 1 - BIAS_COSINE) return [];
  return [
    `the decoder biases differ (cosine ${leastCosine.toFixed(3)}, norms by ${
      (100 * mostDifference).toFixed(0)
    } %): Eq. 5 mixes them, so part of every change is the bias's`,
  ];
}

function compareSeeds(small: Sae, large: Sae): string[] {
  const [own, other] = [small, large].map(({ metadata }) =>
    (metadata.training as { seed?: unknown } | undefined)?.seed
  );
  // An SAE compared with itself says nothing about seeds.
  if (typeof own !== "number" || own !== other || small.dictSize === large.dictSize) return [];
  return [
    `both SAEs were trained from seed ${own}: their first latents started from the same directions, ` +
    `and may be alike for that reason`,
  ];
}

/**
 * Checks that two SAEs reconstruct the same activations, whichever is larger.
 *
 * @returns Warnings: differences that do not prevent a comparison but can change its meaning.
 * @throws {Error} They reconstruct different activations; the message names both.
 */
export function checkComparable(other: Sae, otherName: string, sae: Sae, name: string): string[] {
  try {
    const [small, large] = other.dictSize > sae.dictSize ? [sae, other] : [other, sae];
    return checkStitchable(small, large)
      .map((warning) => `${otherName} compared with ${name}: ${warning}`);
  } catch (error) {
    throw new Error(
      `${otherName} cannot be compared with ${name}: ${why(other, sae, name, error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The reason, worded independently of which SAE is larger. */
function why(other: Sae, sae: Sae, name: string, error: unknown): string {
  try {
    checkStitchable(sae, other);
  } catch (reversed) {
    return (reversed as Error).message.replaceAll("large.", "its ")
      .replaceAll("as the small SAE has", `as ${name} has`);
  }
  return (error as Error).message;
}
