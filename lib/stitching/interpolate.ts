import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { checkGroups } from "./check_groups.ts";
import { checkStitchable } from "./check_stitchable.ts";
import { type LatentGroup, latentGroups } from "./latent_groups.ts";
import { mixedError } from "./mixed_bias.ts";
import { type InterpolationOrder, orderPath } from "./order_path.ts";
import { layPath, type PathPhase, type PathStep, splitPath } from "./plan_path.ts";
import { readRepeatedly, type RepeatableBatches } from "./repeatable_batches.ts";
import { type StepSums, type StitchingOptions, sumSteps } from "./sum_steps.ts";

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
   * What happens in the end to small latents that no group holds, and that swaps leave in place:
   * "together" takes them out in one last step, "each" in a step each in order of latent, so that the
   * path ends at the large SAE; "none" leaves them in. Default "together"; nothing without `swap`.
   */
  removal?: "together" | "each" | "none";
}

/** A stitched SAE on the way from the small SAE to the large one. */
export interface InterpolationPoint {
  /** Number of the step that led here; 0 is the small SAE. */
  step: number;
  /** What that step did; "start" for the small SAE. */
  phase: PathPhase | "start";
  /** Latents of the small SAE that the step took out. */
  removed: Uint32Array;
  /** Latents of the large SAE that it put in. */
  inserted: Uint32Array;
  /** Mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /**
   * MSE of the SAE before the step with the decoder bias after it. mse − biasMse is what the step's
   * latents do, without what mixing the biases does (Eq. 5). Of the first point: its MSE.
   */
  biasMse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ being the mean of the samples. */
  nmse: number;
  /** Mean number of active latents a sample. */
  l0: number;
  /** |L₀|: latents of the small SAE that are in. */
  smallCount: number;
  /** |L₁|: latents of the large SAE that are in. */
  largeCount: number;
}

/**
 * Goes from a small SAE to a large one latent by latent and measures every SAE on the way (Fig. 5,
 * 18 and 22). First the novel latents of the large SAE are inserted, one a step; then the groups of
 * similar latents are swapped, one a step; then the small latents that are like no large one are taken
 * out (`removal`). The first point is the small SAE, the last one the large SAE, unless an option says
 * otherwise; at every point the decoder bias is Eq. 5's with the counts of latents that are in.
 *
 * All points come from one pass over the activations, two with the order "benefit": a sample is led
 * once through its own active latents, so thousands of steps take little longer than encoding with both
 * SAEs.
 *
 * @param gpu The open GPU.
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
  batches: RepeatableBatches,
  options: InterpolationOptions = {},
): Promise<InterpolationPoint[]> {
  const { order = "benefit", swap = true, removal = "together" } = options;
  checkStitchable(small, large);
  checkOptions(options, large);
  const read = readRepeatedly(batches, passesOf(options), `order "${order}"`);
  const { signal } = options;
  const groups = options.groups ??
    (await latentGroups(device, small, large, options.threshold!, { signal })).groups;
  checkGroups(groups, small, large);
  const unordered = splitPath(groups, small, large);
  const parts = swap ? unordered : { ...unordered, swaps: [] };
  const { samples: before, ...ordered } = await orderPath(device, small, large, parts, read, {
    ...options,
    order,
  });
  const path = layPath({ ...parts, ...ordered }, { swap, removal });
  const { onProgress } = options;
  return await measurePath(device, small, large, path, read(), {
    signal,
    ...(onProgress ? { onProgress: (samples) => onProgress(before + samples) } : {}),
  });
}

/** Measures the small SAE and the SAE after each step of a path, in one pass. */
export async function measurePath(
  device: Device,
  small: Sae,
  large: Sae,
  path: readonly PathStep[],
  batches: Batches,
  options: StitchingOptions,
): Promise<InterpolationPoint[]> {
  const plan = planOf(path, small, large);
  const sums = await sumSteps(device, small, large, plan, batches, options);
  return tracePath(path, sums, small.dictSize);
}

/** How often {@linkcode interpolate} reads the activations. */
export function passesOf({ order = "benefit" }: InterpolationOptions): number {
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
      `cosine has ${cosine.length} numbers, expected ${large.dictSize}, one a latent of the large SAE`,
    );
  }
}

function planOf(path: readonly PathStep[], small: Sae, large: Sae) {
  const stepOf = new Int32Array(small.dictSize + large.dictSize).fill(-1);
  for (const [step, { removed, inserted }] of path.entries()) {
    for (const latent of removed) stepOf[latent] = step;
    for (const latent of inserted) stepOf[small.dictSize + latent] = step;
  }
  return { steps: path.length, stepOf, apart: false };
}

/** The running sums of the steps as points. */
function tracePath(
  path: readonly PathStep[],
  sums: StepSums,
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
    mse: errorNow() / sums.samples,
    biasMse: biasError / sums.samples,
    nmse: errorNow() / sums.variance,
    l0: active / sums.samples,
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
