// Verdicts on SAEs that were made, not trained: it is known what holds.
import { assert, assertEquals } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom, type Random } from "../../lib/random.ts";
import { stitchingClaims } from "../../lib/claims/stitching_claims.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { studyPair } from "../../lib/stitching/study_pair.ts";
import { openTestDevice } from "../gpu_helper.ts";

const D = 64;
const SAMPLES = 1000;

/** Features that do not disturb one another. */
function orthogonal(count: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const row = new Float32Array(D);
    row[i] = 1;
    return row;
  });
}

/** Random unit vectors. */
function directions(count: number, seed: number): Float32Array[] {
  const random = createRandom(seed);
  const { wDec } = initializeSae({ architecture: "relu", dModel: D, dictSize: count, random });
  return Array.from({ length: count }, (_, i) => wDec.slice(i * D, (i + 1) * D));
}

/** Noise, and features that are active now and then, each with a strength from 0.5 to 1.5. */
function sumsOf(features: Float32Array[], random: Random): Matrix {
  const data = new Float32Array(SAMPLES * D);
  for (let at = 0; at < data.length; at++) data[at] = 0.4 * (random.uniform() - 0.5);
  for (let row = 0; row < SAMPLES; row++) {
    for (const feature of features) {
      if (random.below(12) > 0) continue;
      const strength = 0.5 + random.uniform();
      for (let c = 0; c < D; c++) data[row * D + c] += strength * feature[c];
    }
  }
  return { data, rows: SAMPLES, cols: D };
}

/** An SAE that detects directions and gives them back at a part of their strength. */
function detector(latents: { row: Float32Array; strength: number }[]): Sae {
  const dictSize = latents.length;
  const flat = (of: (latent: typeof latents[0]) => Float32Array) =>
    Float32Array.from(latents.flatMap((latent) => [...of(latent)]));
  return {
    ...{ architecture: "jumprelu", dModel: D, dictSize },
    wEnc: flat(({ row, strength }) => row.map((w) => strength * w)),
    wDec: flat(({ row }) => row),
    bEnc: new Float32Array(dictSize),
    bDec: new Float32Array(D),
    // Other features' shadows are below it.
    threshold: Float32Array.from(latents, ({ strength }) => 0.45 * strength),
    ...{ subtractDecoderBias: true, inputNormalization: "none", metadata: {} },
  };
}

const known = (rows: Float32Array[], strength = 1) => rows.map((row) => ({ row, strength }));

/** Verdicts by the first words of their claims. */
async function verdictsOf(gpu: Device, small: Sae, large: Sae, x: Matrix) {
  const claims = stitchingClaims(await studyPair(gpu, small, large, () => [x]));
  assert(claims.every(({ holds, why }) => (holds === undefined) === (why !== undefined)));
  if (Deno.env.get("SHOW")) { for (const c of claims) console.log(c); }
  const of = (words: string) => claims.find(({ claim }) => claim.startsWith(words))!;
  return {
    claims,
    incomplete: of("The smaller SAE is incomplete").holds,
    missing: of("Where a novel latent is active").holds,
    insertions: of("Inserting novel latents").holds,
    survives: of("The improvement by novel latents").holds,
    yes: claims.filter(({ holds }) => holds).map(({ claim, found }) => `${claim} ${found}`),
  };
}

Deno.test("a larger SAE that knows more: incompleteness holds, and survives the control", async () => {
  using gpu = await openTestDevice();
  const features = orthogonal(40);
  const x = sumsOf(features, createRandom(2));
  const small = detector(known(features.slice(0, 20)));
  const found = await verdictsOf(gpu, small, detector(known(features)), x);
  const { incomplete, missing, insertions, survives } = found;
  assertEquals([incomplete, missing, insertions, survives], [true, true, true, true]);
  assertEquals(gpu.allocated, 0);
});

Deno.test("a smaller SAE that lacks nothing but shrinks: insertions help, and do not survive", async () => {
  using gpu = await openTestDevice();
  const features = orthogonal(24);
  const x = sumsOf(features, createRandom(2));
  // Each sum of three features has a cosine of 0.58 with each: novel by Eq. 6, but nothing new.
  const triples = features.map((_, i) => {
    const parts = [0, 5, 11].map((step) => features[(i + step) % 24]);
    const sum = Float32Array.from({ length: D }, (_, c) => parts[0][c] + parts[1][c] + parts[2][c]);
    const norm = Math.hypot(...sum);
    return sum.map((value) => value / norm);
  });
  const small = detector(known(features, 0.6));
  const large = detector([...known(features, 0.5), ...known(triples, 0.1)]);
  const { insertions, survives, incomplete } = await verdictsOf(gpu, small, large, x);
  assertEquals([insertions, survives, incomplete], [true, false, false]);
});

Deno.test("SAEs of equal size and random dictionaries: nothing holds", async () => {
  using gpu = await openTestDevice();
  const features = orthogonal(40);
  const x = sumsOf(features, createRandom(2));
  const small = detector(known(features.slice(0, 20)));
  const large = detector(known(features));
  const random = (sae: Sae, seed: number, size = 1): Sae => ({
    ...sae,
    wDec: Float32Array.from(directions(sae.dictSize, seed).flatMap((row) => [...row]))
      .map((w) => size * w),
  });
  const untrained = (dictSize: number, seed: number, k: number): Sae => {
    const shape = { architecture: "topk" as const, dModel: D, dictSize, k };
    const sae = initializeSae({ ...shape, random: createRandom(seed) });
    return { ...sae, wEnc: sae.wDec };
  };
  const pairs: Record<string, [Sae, Sae]> = {
    "equal size": [small, detector(known(features.slice(20)))],
    "nearly equal": [small, detector(known(features.slice(18)))],
    "large random": [small, random(large, 11)],
    "small random": [random(small, 12), large],
    // So faint that they are better than the mean.
    "both random, faint": [random(small, 13, 0.05), random(large, 14, 0.05)],
    "directions": [untrained(32, 15, 4), untrained(96, 16, 4)],
  };
  for (const [name, [one, two]] of Object.entries(pairs)) {
    const { yes, claims } = await verdictsOf(gpu, one, two, x);
    assertEquals(yes, [], name);
    assert(claims.length === 11);
  }
});
