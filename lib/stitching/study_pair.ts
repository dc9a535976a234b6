import { type Batches, readRepeatedly } from "../batches.ts";
import type { Device } from "../device/device.ts";
import { searchMaxima } from "../ops/cosine_search.ts";
import { unitRows } from "../ops/unit_rows.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { type ActivationSimilarity, measureSimilarity } from "./activation_similarity.ts";
import { controlsOf, measureGain, measureTwin, type PairControls, randomTwin } from "./controls.ts";
import { decoderDirections } from "./decoder_cosine.ts";
import { measureLatents, measureSwaps, type StitchingEffects } from "./effects.ts";
import { type InterpolationPoint, measurePath } from "./interpolate.ts";
import { connectRows, type LatentGroups } from "./latent_groups.ts";
import { drawPairs, nearestPairs } from "./latent_pairs.ts";
import { measureMissing, type MissingInformation } from "./missing_information.ts";
import { type NoveltyRoc, noveltyRoc } from "./novelty_roc.ts";
import { openPair, readPair, type StitchingOptions } from "./pair.ts";
import {
  type InterpolationOrder,
  layPath,
  shuffleParts,
  sortByCosine,
  sortParts,
  splitPath,
} from "./path.ts";

/** Options of {@linkcode studyPair}. */
export interface PairStudyOptions extends StitchingOptions {
  /** θ of Eq. 6 (default 0.7, the paper's for GPT-2; 0.4 for Gemma Scope). */
  threshold?: number;
  /** Order of the interpolation's steps (default "benefit"). */
  order?: InterpolationOrder;
  /** Seed of random orders and of the pairs that are drawn for Fig. 11 (default 0). */
  seed?: number;
  /** Called when a measurement, its `phase`, starts, and after each batch with the samples it has seen. */
  onProgress?: StitchingOptions["onProgress"];
}

/** Everything that section 4, A.4 and A.7 of the paper measure on two SAEs. */
export interface PairStudy {
  /** θ of Eq. 6. */
  threshold: number;
  /** Warnings: differences that can change what the numbers mean. */
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
  /** Controls for verdicts on these numbers. */
  controls: PairControls;
  /** The shrinkage control: the same measures with the activations of each SAE times its gain. */
  withGain: {
    /** Each large latent added to the small SAE alone. */
    effects: StitchingEffects;
    /** The steps of `path`. */
    path: InterpolationPoint[];
  };
}

/**
 * Measures similarity, novelty, the effect of each latent and of each swap, and the paths from one SAE to the
 * other; as controls, the same for random directions, and effects and path with one gain per SAE (`fitGain`).
 *
 * Both SAEs are checked and uploaded once. The activations are read twice and each batch is encoded
 * once in each pass: the first pass gives the order of the path, the gains, and the L0 of random directions,
 * which are measured on 4,000 samples of the second.
 *
 * @param small SAE 0 of the paper.
 * @param large SAE 1 of the paper.
 * @param batches Activations, [rows, d] each: an array, or a function that returns them again.
 * @throws {RangeError | TypeError} The SAEs cannot be stitched, the activations do not fit or cannot
 * be read twice, or the threshold is no cosine.
 */
export async function studyPair(
  device: Device,
  small: Sae,
  large: Sae,
  batches: Batches,
  { threshold = 0.7, order = "benefit", seed = 0, onProgress, signal }: PairStudyOptions = {},
): Promise<PairStudy> {
  const read = readRepeatedly(batches, 2, "a study of a pair");
  const watch = (phase: string): StitchingOptions => {
    onProgress?.({ phase, done: 0 });
    return { signal, onProgress: (progress) => onProgress?.({ ...progress, phase }) };
  };
  using pair = openPair(device, small, large);
  onProgress?.({ phase: "decoder cosines", done: 0 });
  const [smallRows, largeRows] = decoderDirections(small, large);
  const nearest = await searchMaxima(device, largeRows, smallRows, { signal });
  const groups = await connectRows(device, smallRows, largeRows, threshold, { signal });
  const parts = splitPath(groups.groups, small, large);

  const alone = measureLatents(pair);
  const swapped = measureSwaps(pair, parts.swaps);
  const compared = measureSimilarity(pair, [
    ...nearestPairs(nearest.nearest),
    ...drawPairs(small, large, { seed }),
  ]);
  const missed = measureMissing(pair, groups.largeOnly);
  const shuffled = shuffleParts({ ...parts, swaps: [] }, seed);
  const inserted = measurePath(pair, layPath(shuffled, { swap: false, removal: "none" }));
  const gains = [measureGain(small, "small"), measureGain(large, "large")];
  const first = await readPair(
    pair,
    read(),
    [alone, swapped, compared, missed, inserted, ...gains],
    watch("effects, swaps and similarity"),
  );
  const effects = alone.result(first);
  const swaps = swapped.result(first);
  const fits = gains.map((gain) => gain.result(first));

  const inOrder = order === "random"
    ? shuffleParts(parts, seed)
    : order === "cosine"
    ? sortByCosine(parts, nearest.cosine)
    : sortParts(
      parts,
      parts.novel.map((group) => effects.deltaMse[group.large[0]]),
      swaps.deltaMse,
    );
  // One step for all that is left over would be the largest of the path by far.
  const steps = layPath(inOrder, { swap: true, removal: "each" });
  const factors = { small: fits[0].gain, large: fits[1].gain };
  const walked = measurePath(pair, steps);
  const walkedWithGain = measurePath(pair, steps, factors);
  const aloneWithGain = measureLatents(pair, factors);
  const twins = [small, large].map((sae, side) => randomTwin(sae, fits[side].l0, { seed: side }));
  using ownTwin = measureTwin(device, twins[0]);
  using otherTwin = measureTwin(device, twins[1]);
  const second = await readPair(
    pair,
    read(),
    [walked, walkedWithGain, aloneWithGain, ownTwin, otherTwin],
    watch("paths and controls"),
  );
  const twinRows = unitRows(decoderRows(twins[1]), "random rows");
  const { cosine } = await searchMaxima(device, twinRows, smallRows, { signal });
  return {
    threshold,
    warnings: pair.warnings,
    nearest,
    groups,
    effects,
    roc: noveltyRoc(nearest.cosine, effects.deltaMse, { threshold, activity: effects.deltaL0 }),
    swaps,
    similarity: compared.result(first),
    missing: missed.result(first),
    path: walked.result(second),
    randomInsertions: inserted.result(first),
    controls: {
      small: controlsOf(small, fits[0], ownTwin.result(second)),
      large: controlsOf(large, fits[1], otherTwin.result(second)),
      randomReconstruction: cosine.filter((value) => value >= threshold).length / cosine.length,
    },
    withGain: {
      effects: aloneWithGain.result(second),
      path: walkedWithGain.result(second),
    },
  };
}
