import type { StitchingEffects } from "../stitching/effects.ts";
import type { InterpolationPoint } from "../stitching/interpolate.ts";
import type { PathPhase } from "../stitching/path.ts";

/** What latents change, without what the mixed decoder bias of Eq. 5 changes by itself. */
export interface OwnChange {
  /** Of the MSE. */
  mse: number;
  /** Of L0. */
  l0: number;
}

/**
 * What the steps of a phase of a path change. A latent that comes or goes and is never active is left out:
 * it changes nothing but the bias.
 */
export function ownChanges(path: readonly InterpolationPoint[], phase: PathPhase): OwnChange[] {
  return path.flatMap((point, i) => {
    if (point.phase !== phase) return [];
    const [mse, l0] = [point.mse - point.biasMse, point.l0 - path[i - 1].l0];
    return phase !== "swap" && l0 === 0 ? [] : [{ mse, l0 }];
  });
}

/** What each change made alone does to the MSE. */
export function ownEffects({ deltaMse, deltaBias }: StitchingEffects): Float64Array {
  return deltaMse.map((change, i) => change - deltaBias[i]);
}

/** What all steps of a phase change together, as a part of the MSE before the path. */
export function totalChange(path: readonly InterpolationPoint[], phase: PathPhase): number {
  return ownChanges(path, phase).reduce((sum, { mse }) => sum + mse, 0) / path[0].mse;
}
