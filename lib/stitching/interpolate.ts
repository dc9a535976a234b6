import { type Batches, readRepeatedly } from "../batches.ts";
import type { Progress } from "../progress.ts";
import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import { maxDecoderCosine } from "./decoder_cosine.ts";
import { measureSwaps } from "./effects.ts";
import { checkGroups, type LatentGroup, latentGroups } from "./latent_groups.ts";
import {
  type Measure,
  openPair,
  type Pair,
  readOnce,
  type StitchingOptions,
  type Totals,
} from "./pair.ts";
import {
  type InterpolationOrder,
  layPath,
  type PathParts,
  type PathPhase,
  type PathStep,
  shuffleParts,
  sortByCosine,
  sortParts,
  splitPath,
} from "./path.ts";
import { type Gains, measureSteps, mixedError, type StepSums } from "./sum_steps.ts";

/** Options of {@linkcode interpolate}. */
export interface InterpolationOptions extends StitchingOptions {
  /** θ of Eq. 6, 0.7 for the paper's GPT-2 SAEs and 0.4 for Gemma Scope; not needed with `groups`. */
  threshold?: number;
  /** Order of the steps (default "benefit", which reads the activations twice). */
  order?: InterpolationOrder;
  /** Seed of the order "random" (default 0). */
  seed?: number;
  /** The groups that are swapped (default: `latentGroups` at the threshold). */
  groups?: readonly LatentGroup[];
  /** [m₁] for the order "cosine" (default: `maxDecoderCosine` from the large SAE to the small one). */
  cosine?: Float32Array;
  /** Whether groups are swapped after the insertions (default true). False: the path of Fig. 18. */
  swap?: boolean;
  /**
   * What happens at the end to small latents in no group, which swaps do not remove: "together" removes them in
   * one last step, "each" one per step in order of latent, so that the path ends at the large SAE; "none" keeps
   * them. Default "together"; unused without `swap`.
   */
  removal?: "together" | "each" | "none";
}

/** A stitched SAE on the path from the small SAE to the large one. */
export interface InterpolationPoint {
  /** Number of the step; 0 is the small SAE. */
  step: number;
  /** The kind of the step; "start" for the small SAE. */
  phase: PathPhase | "start";
  /** Latents of the small SAE that the step removed. */
  removed: Uint32Array;
  /** Latents of the large SAE that it inserted. */
  inserted: Uint32Array;
  /** Mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /**
   * MSE of the SAE before the step with the decoder bias after it. mse − biasMse is the effect of
   * the step's latents without that of mixing the biases (Eq. 5). For the first point: its MSE.
   */
  biasMse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ being the mean of the samples. */
  nmse: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** |L₀|: latents of the small SAE that are present. */
  smallCount: number;
  /** |L₁|: latents of the large SAE that are present. */
  largeCount: number;
}

/**
 * Interpolates from a small SAE to a large one, latent by latent, and measures every SAE on the path (Fig. 5,
 * 18 and 22). First the novel latents of the large SAE are inserted, one per step; then the groups of similar
 * latents are swapped, one per step; then the small latents without a similar large one are removed
 * (`removal`). The first point is the small SAE, the last one the large SAE, unless an option says otherwise;
 * at every point the decoder bias is Eq. 5's with the current numbers of latents.
 *
 * All points come from one pass over the activations, two with the order "benefit": each sample visits its
 * own active latents once, so thousands of steps take little longer than encoding with both SAEs.
 *
 * @param device The open device.
 * @param small The SAE to start from.
 * @param large The SAE to end at.
 * @param batches Activations, [rows, d] each, in any number; for the order "benefit" an array or a
 * function that returns them.
 * @returns The small SAE and the SAE after each step.
 * @throws {RangeError | TypeError} An option does not fit, the batches cannot be read twice, or as
 * {@linkcode latentEffects} throws.
 *
 * @example The path of Fig. 5
 * ```ts ignore
 * const points = await interpolate(device, small, large, () => store.batches(), { threshold: 0.7 });
 * for (const { phase, l0, mse } of points) console.log(phase, l0, mse);
 * ```
 */
export async function interpolate(
  device: Device,
  small: Sae,
  large: Sae,
  batches: Batches,
  options: InterpolationOptions = {},
): Promise<InterpolationPoint[]> {
  const { order = "benefit", swap = true, removal = "together", signal, onProgress } = options;
  checkOptions(options, large);
  const passes = passesOf(options);
  const read = readRepeatedly(batches, passes, `order "${order}"`);
  using pair = openPair(device, small, large);
  const groups = options.groups ??
    (await latentGroups(device, small, large, options.threshold!, { signal })).groups;
  checkGroups(groups, small, large);
  const all = splitPath(groups, small, large);
  const parts = swap ? all : { ...all, swaps: [] };
  let before = 0;
  const watch = () => ({
    signal,
    onProgress: ({ phase, done, total }: Progress) =>
      onProgress?.({ phase, done: before + done, ...total && { total: passes * total } }),
  });
  const inOrder = async (): Promise<PathParts> => {
    if (order === "random") return shuffleParts(parts, options.seed ?? 0);
    if (order === "cosine") {
      const { cosine } = options;
      return sortByCosine(
        parts,
        cosine ?? (await maxDecoderCosine(device, small, large, { signal })).cosine,
      );
    }
    const alone = measureSwaps(pair, [...parts.novel, ...parts.swaps]);
    const { deltaMse, samples } = await readOnce(pair, read(), alone, watch());
    before = samples;
    const novel = parts.novel.length;
    return sortParts(parts, deltaMse.subarray(0, novel), deltaMse.subarray(novel));
  };
  const path = layPath(await inOrder(), { swap, removal });
  return await readOnce(pair, read(), measurePath(pair, path), watch());
}

/** The small SAE and the SAE after each step of a path; `gains` scale the activations of each SAE. */
export function measurePath(
  pair: Pair,
  path: readonly PathStep[],
  gains?: Gains,
): Measure<InterpolationPoint[]> {
  const steps = measureSteps(pair, path, { apart: false, gains });
  return {
    add: steps.add,
    result: (totals) => tracePath(path, steps.result(totals), totals, pair.small.dictSize),
  };
}

/** How often {@linkcode interpolate} reads the activations. */
function passesOf({ order = "benefit" }: InterpolationOptions): number {
  return order === "benefit" ? 2 : 1;
}

function checkOptions(
  { threshold, order, groups, cosine, removal }: InterpolationOptions,
  large: Sae,
) {
  const check = (value: unknown, name: string, known: string[]) => {
    if (value === undefined || known.includes(value as string)) return;
    throw new RangeError(`${name} is ${value}, expected ${known.join(", ")}`);
  };
  check(order, "order", ["benefit", "cosine", "random"]);
  check(removal, "removal", ["together", "each", "none"]);
  if (threshold === undefined && groups === undefined) {
    throw new TypeError("interpolate needs the option threshold (the paper's 0.7, say) or groups");
  }
  if (cosine && cosine.length !== large.dictSize) {
    throw new RangeError(
      `cosine has ${cosine.length} numbers, expected ${large.dictSize}, one per latent of the large SAE`,
    );
  }
}

/** The running sums of the steps as points. */
function tracePath(
  path: readonly PathStep[],
  sums: StepSums,
  { samples, variance }: Totals,
  smallSize: number,
): InterpolationPoint[] {
  let { squares, projection, active } = sums.base;
  const counts = { small: smallSize, large: 0 };
  const errorNow = () => mixedError({ squares, projection }, sums.bias, counts);
  const none = new Uint32Array();
  const point = (
    step: number,
    { phase, removed, inserted }: Omit<PathStep, "phase"> & { phase: InterpolationPoint["phase"] },
    biasError: number,
  ) => ({
    ...{ step, phase, removed, inserted },
    mse: errorNow() / samples,
    biasMse: biasError / samples,
    nmse: errorNow() / variance,
    l0: active / samples,
    smallCount: counts.small,
    largeCount: counts.large,
  });
  const start = { phase: "start" as const, removed: none, inserted: none };
  const points: InterpolationPoint[] = [point(0, start, errorNow())];
  for (const [index, step] of path.entries()) {
    counts.small -= step.removed.length;
    counts.large += step.inserted.length;
    const biasError = errorNow();
    squares += sums.squares[index];
    projection += sums.projection[index];
    active += sums.active[index];
    points.push(point(index + 1, step, biasError));
  }
  return points;
}

/** Options of {@linkcode interpolateChain}: those of `interpolate`, groups and cosines per pair. */
export interface ChainOptions extends Omit<InterpolationOptions, "groups" | "cosine"> {
  /** The groups of each pair (default: `latentGroups` at the threshold). */
  groups?: readonly (readonly LatentGroup[])[];
  /** The cosines of each pair, for the order "cosine" (default: `maxDecoderCosine`). */
  cosine?: readonly Float32Array[];
}

/** A stitched SAE on the path from one SAE of a chain to the next. */
export interface ChainPoint extends InterpolationPoint {
  /** Between which SAEs: pair p leads from SAE p to SAE p + 1. */
  pair: number;
}

/**
 * Interpolates through SAEs of growing size, from each to the next as {@linkcode interpolate} does (Fig. 5).
 *
 * @param device The open device.
 * @param saes Two SAEs or more, in the order of the path.
 * @param batches Activations, [rows, d] each; an array, or a function that returns them, where they
 * are read more than once: once per pair, with the order "benefit" twice.
 * @returns The points of all pairs one after the other. An SAE in the middle is the last point of a pair
 * and, with the phase "start", the first of the next.
 * @throws {RangeError | TypeError} There are fewer than two SAEs, or as {@linkcode interpolate} throws.
 */
export async function interpolateChain(
  device: Device,
  saes: readonly Sae[],
  batches: Batches,
  options: ChainOptions = {},
): Promise<ChainPoint[]> {
  const pairs = saes.length - 1;
  if (pairs < 1) throw new RangeError(`there are ${saes.length} SAEs, expected at least 2`);
  for (const name of ["groups", "cosine"] as const) {
    const given = options[name]?.length ?? pairs;
    if (given !== pairs) {
      throw new RangeError(
        `${name} are given for ${given} pairs, ${saes.length} SAEs make ${pairs}`,
      );
    }
  }
  const { groups, cosine, onProgress, ...shared } = options;
  const passes = pairs * passesOf(shared);
  const read = readRepeatedly(batches, passes, `a chain of ${saes.length} SAEs`);
  const points: ChainPoint[] = [];
  let before = 0;
  for (let pair = 0; pair < pairs; pair++) {
    let measured = 0;
    const path = await interpolate(device, saes[pair], saes[pair + 1], read, {
      ...shared,
      groups: groups?.[pair],
      cosine: cosine?.[pair],
      onProgress: ({ phase, done, total }) => {
        measured = done;
        onProgress?.({ phase, done: before + done, ...total && { total: pairs * total } });
      },
    });
    before += measured;
    for (const point of path) points.push({ pair, ...point });
  }
  return points;
}
