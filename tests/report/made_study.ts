// Studies of two SAEs with numbers of choice, as tests of verdicts need them.
import { assertEquals } from "@std/assert";
import type { Claim } from "../../lib/claims/verdict.ts";
import { stitchingClaims } from "../../lib/claims/stitching_claims.ts";
import { fitLine } from "../../lib/stitching/activation_similarity.ts";
import type { InterpolationPoint } from "../../lib/stitching/interpolate.ts";
import type { StitchingEffects } from "../../lib/stitching/effects.ts";
import type { SaeControls } from "../../lib/stitching/controls.ts";
import { noveltyRoc } from "../../lib/stitching/novelty_roc.ts";
import type { PathPhase } from "../../lib/stitching/path.ts";
import type { PairStudy } from "../../lib/stitching/study_pair.ts";

/** `count` times a value, or what a function gives for 0 … count − 1. */
export function times<T>(count: number, value: T | ((i: number) => T)): T[] {
  return Array.from({ length: count }, (_, i) => value instanceof Function ? value(i) : value);
}

/** A step of a path: what it does, the change of the MSE by its latents, of L0, and by the bias. */
export type Step = [phase: PathPhase, mse: number, l0: number, bias?: number];

/** A path that starts at MSE 100 and L0 10. */
export function pathOf(steps: readonly Step[]): InterpolationPoint[] {
  const none = new Uint32Array();
  let [mse, l0] = [100, 10];
  const point = (step: number, phase: InterpolationPoint["phase"], biasMse: number) => ({
    ...{ step, phase, mse, biasMse, l0, nmse: mse / 1000, removed: none, inserted: none },
    ...{ smallCount: 100, largeCount: step },
  });
  return [
    point(0, "start", mse),
    ...steps.map(([phase, change, activity, bias = 0], i) => {
      const biasMse = mse + bias;
      mse = biasMse + change;
      l0 += activity;
      return point(i + 1, phase, biasMse);
    }),
  ];
}

/** Changes made one by one of an SAE of MSE 100 and L0 10. */
export function effectsOf(own: number[], deltaL0: number[], bias = 0): StitchingEffects {
  return {
    ...{ samples: 5000, mse: 100, l0: 10 },
    deltaMse: Float64Array.from(own, (value) => value + bias),
    deltaBias: new Float64Array(own.length).fill(bias),
    deltaL0: Float64Array.from(deltaL0),
  };
}

/** Errors of both SAEs where a novel latent is active, as parts of those where it is not. */
export function missingOf(growth: [small: number, large: number][]): PairStudy["missing"] {
  const contrast = (inactive: number, active: number) => ({
    ...{ inactive, active },
    difference: active - inactive,
  });
  const latents = growth.map(([small, large], latent) => ({
    ...{ latent, activeSamples: 50 },
    small: contrast(100, 100 * (1 + small)),
    large: contrast(50, 50 * (1 + large)),
  }));
  // stitchingClaims reads the latents; the mean is that of the first.
  const mean = latents[0] && { small: latents[0].small, large: latents[0].large };
  return { samples: 5000, latents, mean, neverActive: 0, alwaysActive: 0 };
}

/** Pairs of latents, each of two of its own, by decoder cosine and activation cosine. */
export function similarityOf(points: [decoder: number, activation: number][]) {
  const pairs = points.map(([decoderCosine, activationCosine], i) => ({
    ...{ small: i, large: i, decoderCosine, activationCosine, correlation: activationCosine },
  }));
  const fit = (used: typeof pairs) => {
    const line = fitLine(
      used.map(({ decoderCosine }) => decoderCosine),
      used.map(({ activationCosine }) => activationCosine),
    );
    return { activationCosine: line, correlation: line };
  };
  return {
    ...{ samples: 5000, pairs, neverActive: 0, constant: 0, fit: fit(pairs) },
    fitAbove: fit(pairs.filter(({ decoderCosine }) => decoderCosine > 0.5)),
  };
}

/** Groups by the number of latents on each side. */
export function groupsOf(...sizes: [count: number, small: number, large: number][]) {
  return {
    groups: sizes.flatMap(([count, small, large]) =>
      times(count, { small: new Uint32Array(small), large: new Uint32Array(large) })
    ),
    ...{ smallOnly: Uint32Array.of(99), edges: 1 },
    largeOnly: Uint32Array.from({ length: 60 }, (_, latent) => latent),
  };
}

const CONTROLS: SaeControls = {
  ...{
    dictSize: 100,
    activeLatents: 95,
    l0: 10,
    mse: 1,
    nmse: 0.2,
    gain: 1.05,
    nmseWithGain: 0.19,
    randomNmse: 0.6,
  },
};

/** Controls of two SAEs in which nothing is wrong, but for the changes. */
export function controlsOf(
  small: Partial<SaeControls> = {},
  large: Partial<SaeControls> = {},
  randomReconstruction = 0,
): PairStudy["controls"] {
  return {
    small: { ...CONTROLS, ...small },
    large: {
      ...CONTROLS,
      dictSize: 200,
      activeLatents: 190,
      nmse: 0.15,
      nmseWithGain: 0.14,
      ...large,
    },
    randomReconstruction,
  };
}

/**
 * A pair of 100 and 200 latents in which all claims hold, the path's but that swaps on it lower the MSE
 * and alone raise it. Latents 0 to 59 of the large SAE are novel and improve the small one, the others
 * worsen it.
 */
export function makeStudy(changes: Partial<PairStudy> = {}): PairStudy {
  const novel = (latent: number) => latent < 60;
  const cosine = Float32Array.from({ length: 200 }, (_, latent) => novel(latent) ? 0.3 : 0.9);
  const effects = effectsOf(times(200, (i) => novel(i) ? -0.2 : 0.1), times(200, 0.05));
  const steps: Step[] = [
    ...times<Step>(60, (i) => ["insert", -0.2 - 0.001 * i, 0.05]),
    ...times<Step>(40, (i) => ["swap", -0.05 - 0.001 * i, -0.02]),
    ["remove", 0.01, -0.01],
  ];
  return {
    ...{ threshold: 0.7, warnings: [] },
    nearest: { cosine, nearest: new Uint32Array(200) },
    groups: groupsOf([30, 1, 1], [10, 1, 2], [10, 2, 1]),
    ...{ effects, roc: noveltyRoc(cosine, effects.deltaMse, { activity: effects.deltaL0 }) },
    swaps: effectsOf(times(50, 0.2), times(50, -0.1)),
    similarity: similarityOf(times(50, (i) => [0.5 + 0.01 * i, 0.4 + 0.01 * i + 0.002 * (i % 7)])),
    missing: missingOf(times(60, [0.3, 0.1])),
    ...{ path: pathOf(steps), randomInsertions: pathOf(steps.slice(0, 60)) },
    controls: controlsOf(),
    withGain: { effects, path: pathOf(steps) },
    ...changes,
  };
}

/** The claim that begins with these words. */
export function claimOf(words: string, changes: Partial<PairStudy>): Claim {
  const found = stitchingClaims(makeStudy(changes)).filter(({ claim }) => claim.startsWith(words));
  assertEquals(found.length, 1, words);
  return found[0];
}

/** Verdict on each of the studies; one that is not decided says why. */
export function verdicts(words: string, ...studies: Partial<PairStudy>[]): (boolean | undefined)[] {
  return studies.map((changes) => {
    const { holds, why } = claimOf(words, changes);
    assertEquals(holds === undefined, why !== undefined, why);
    return holds;
  });
}

export const DECIDED = [true, false, undefined];

/** A path of insertions with these changes of the MSE. */
export const inserted = (...changes: number[]) =>
  pathOf(changes.map((change): Step => ["insert", change, 0.05]));
