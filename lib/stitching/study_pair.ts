import type { Device } from "../device/device.ts";
import type { Batches } from "../training/train_sae.ts";
import type { Sae } from "../sae/sae.ts";
import { type ActivationSimilarity, activationSimilarity } from "./activation_similarity.ts";
import { checkStitchable } from "./check_stitchable.ts";
import { withGain } from "./fit_gain.ts";
import { interpolate, type InterpolationPoint, measurePath } from "./interpolate.ts";
import { latentEffects } from "./latent_effects.ts";
import { type LatentGroups, latentGroups } from "./latent_groups.ts";
import { nearestPairs, samplePairs } from "./latent_pairs.ts";
import { maxDecoderCosine } from "./max_decoder_cosine.ts";
import type { StitchingEffects } from "./measure_apart.ts";
import { measureControls, type PairControls } from "./measure_controls.ts";
import { type MissingInformation, missingInformation } from "./missing_information.ts";
import { type NoveltyRoc, noveltyRoc } from "./novelty_roc.ts";
import type { InterpolationOrder } from "./order_path.ts";
import type { PathStep } from "./plan_path.ts";
import { swapEffects } from "./swap_effects.ts";

/** Options of {@linkcode studyPair}. */
export interface PairStudyOptions {
  /** θ of Eq. 6 (default 0.7, the paper's for GPT-2; 0.4 for Gemma Scope). */
  threshold?: number;
  /** Order of the interpolation's steps (default "benefit"). */
  order?: InterpolationOrder;
  /** Seed of random orders and of the pairs that are drawn for Fig. 11 (default 0). */
  seed?: number;
  /** Called when a measurement starts, and after each batch with the samples it has seen. */
  onProgress?: (measurement: string, samples: number) => void;
  /** Stops between two batches; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Everything that section 4, A.4 and A.7 of the paper tell of two SAEs. */
export interface PairStudy {
  /** θ of Eq. 6. */
  threshold: number;
  /** What is no obstacle to stitching, but can make numbers mean something else. */
  warnings: string[];
  /** Largest decoder cosine of each large latent with any small one, and which (Fig. 10). */
  nearest: { cosine: Float32Array; nearest: Uint32Array };
  /** Connected subgraphs (A.5); `largeOnly` are the novel latents. */
  groups: LatentGroups;
  /** Each large latent added to the small SAE alone (Fig. 4, 21). */
  effects: StitchingEffects;
  /** The cosine as a predictor of the sign of these effects (Fig. 16). */
  roc: NoveltyRoc;
  /** Each group swapped alone (Fig. 17). */
  swaps: StitchingEffects;
  /** Activation similarity beside decoder cosine (Fig. 11). */
  similarity: ActivationSimilarity;
  /** Errors of both SAEs where a novel latent is active and where it is not (A.4, Fig. 14). */
  missing: MissingInformation;
  /** From the small SAE to the large one (Fig. 5, 22). */
  path: InterpolationPoint[];
  /** The novel latents inserted in random order (Fig. 18). */
  randomInsertions: InterpolationPoint[];
  /** What verdicts on these numbers are controlled by. */
  controls: PairControls;
  /** The shrinkage control: measured again, the activations of each SAE times its gain. */
  withGain: {
    /** Each large latent added to the small SAE alone. */
    effects: StitchingEffects;
    /** The steps of `path`. */
    path: InterpolationPoint[];
  };
}

/**
 * Measures everything that stitching tells of two SAEs: similarity, novelty, the effect of each latent
 * and of each swap, and the paths from the one to the other; and, as controls, what random directions
 * would reach, and effects and path with one gain an SAE (`fitGain`). Reads the activations thirteen
 * times, twelve in an order other than "benefit", two of them for 4,000 samples at most.
 *
 * @param small SAE 0 of the paper.
 * @param large SAE 1 of the paper.
 * @param batches Gives the activations anew, [rows, d] each.
 * @throws {RangeError | TypeError} The SAEs cannot be stitched, the activations do not fit, or the
 * threshold is no cosine.
 */
export async function studyPair(
  device: Device,
  small: Sae,
  large: Sae,
  batches: () => Batches,
  { threshold = 0.7, order = "benefit", seed = 0, onProgress, signal }: PairStudyOptions = {},
): Promise<PairStudy> {
  const warnings = checkStitchable(small, large);
  const watch = (measurement: string) => {
    onProgress?.(measurement, 0);
    return { signal, onProgress: (samples: number) => onProgress?.(measurement, samples) };
  };
  onProgress?.("decoder cosines", 0);
  const nearest = await maxDecoderCosine(device, large, small, { signal });
  const groups = await latentGroups(device, small, large, threshold, { signal });
  const effects = await latentEffects(device, small, large, batches(), watch("effects of latents"));
  const roc = noveltyRoc(nearest.cosine, effects.deltaMse, {
    threshold,
    activity: effects.deltaL0,
  });
  const swapped = watch("effects of swaps");
  const swaps = await swapEffects(device, small, large, groups.groups, batches(), swapped);
  const pairs = [...nearestPairs(nearest.nearest), ...samplePairs(small, large, { seed })];
  const compared = watch("activation similarity");
  const similarity = await activationSimilarity(device, small, large, pairs, batches(), compared);
  const novel = groups.largeOnly;
  const missed = watch("missing information");
  const missing = await missingInformation(device, small, large, novel, batches(), missed);
  const shared = { groups: groups.groups, cosine: nearest.cosine, seed };
  const path = await interpolate(device, small, large, batches, {
    ...shared,
    order,
    // One step for all that is left over would be the largest of the path by far.
    removal: "each",
    ...watch("interpolation"),
  });
  const randomInsertions = await interpolate(device, small, large, batches, {
    ...shared,
    order: "random",
    swap: false,
    ...watch("random insertion"),
  });
  const checked = watch("controls");
  const controls = await measureControls(device, small, large, batches, { threshold, ...checked });
  const [own, other] = [
    withGain(small, controls.small.gain),
    withGain(large, controls.large.gain),
  ];
  const scaled = watch("effects of latents with gains");
  const effectsWithGain = await latentEffects(device, own, other, batches(), scaled);
  const steps = path.slice(1) as PathStep[];
  const measured = watch("interpolation with gains");
  const pathWithGain = await measurePath(device, own, other, steps, batches(), measured);
  return {
    threshold,
    warnings,
    nearest,
    groups,
    effects,
    roc,
    swaps,
    similarity,
    missing,
    path,
    randomInsertions,
    controls,
    withGain: { effects: effectsWithGain, path: pathWithGain },
  };
}
