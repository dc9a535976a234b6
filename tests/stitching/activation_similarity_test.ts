import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";

import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { activationSimilarity } from "../../lib/stitching/activation_similarity.ts";
import type { LatentPair } from "../../lib/stitching/latent_pairs.ts";
import { someOf } from "../depth.ts";
import { openGpu, randomMatrix, testOnCpu, TIGHT } from "../gpu_helper.ts";
import { activationsOf, correlationOf, cosineOf, decoderRow } from "../oracles/similarity.ts";
import { assertStops } from "./assert_stops.ts";
import { ARCHITECTURES, makeSae, NORMALIZATIONS } from "./made_saes.ts";

const everyPair = (small: Sae, large: Sae): LatentPair[] =>
  Array.from(
    { length: small.dictSize * large.dictSize },
    (_, at) => ({ small: at % small.dictSize, large: Math.floor(at / small.dictSize) }),
  );

/** Line by the definition of R²: one less the share of the variance that the line leaves. */
function assertLine(
  line: { points: number; slope: number; intercept: number; rSquared: number } | undefined,
  points: [x: number, y: number][],
) {
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const left = points.reduce(
    (sum, [x, y]) => sum + (y - line!.intercept - line!.slope * x) ** 2,
    0,
  );
  const all = points.reduce((sum, [, y]) => sum + (y - mean) ** 2, 0);
  assertEquals(line!.points, points.length);
  assertAlmostEquals(line!.rSquared, 1 - left / all, 1e-9);
  // No line near it leaves less.
  for (const [slope, intercept] of [[1e-3, 0], [-1e-3, 0], [0, 1e-3], [0, -1e-3]]) {
    const other = points.reduce(
      (sum, [x, y]) => sum + (y - line!.intercept - intercept - (line!.slope + slope) * x) ** 2,
      0,
    );
    assert(other > left);
  }
}

async function check(
  small: Sae,
  large: Sae,
  pairs: LatentPair[],
  batches: Matrix[],
  above?: number,
) {
  const [a, b] = [activationsOf(small, batches), activationsOf(large, batches)];
  const active = (f: number[]) => f.some((value) => value > 0);
  const kept = pairs.filter((pair) => active(a[pair.small]) && active(b[pair.large]));
  for (const options of someOf([{}, TIGHT], 1)) {
    using gpu = await openGpu(options);
    const found = await activationSimilarity(gpu, small, large, pairs, batches, { above });
    assertEquals(gpu.allocated, 0);
    assertEquals(found.samples, a[0].length);
    assertEquals([found.neverActive, found.constant], [pairs.length - kept.length, 0]);
    assertEquals(found.pairs.map(({ small, large }) => ({ small, large })), kept);
    for (const pair of found.pairs) {
      const name = `${pair.small} and ${pair.large}`;
      const [f, g] = [a[pair.small], b[pair.large]];
      assertAlmostEquals(pair.activationCosine, cosineOf(f, g), 1e-5, name);
      assertAlmostEquals(pair.correlation, correlationOf(f, g), 1e-5, name);
      const cosine = cosineOf(decoderRow(small, pair.small), decoderRow(large, pair.large));
      assertAlmostEquals(pair.decoderCosine, cosine, 1e-9, name);
    }
    for (const key of ["activationCosine", "correlation"] as const) {
      const points = found.pairs.map((pair): [number, number] => [pair.decoderCosine, pair[key]]);
      assertLine(found.fit[key], points);
      assertLine(found.fitAbove[key], points.filter(([x]) => x > (above ?? 0.5)));
    }
  }
  return { kept: kept.length, of: pairs.length };
}

Deno.test("activationSimilarity agrees with its oracle, for all pairs and any architectures", async () => {
  let leftOut = 0;
  for (const [at, architecture] of ARCHITECTURES.entries()) {
    const normalization = NORMALIZATIONS[at];
    const small = makeSae({ architecture, seed: at, d: 4, m: 10, normalization });
    const other = ARCHITECTURES[(at + 2) % 4];
    const large = makeSae({ architecture: other, seed: 9 + at, d: 4, m: 13, normalization });
    small.bEnc[3] = -100;
    large.bEnc[12] = -100;
    const batches = [17, 1, 40].map((rows, seed) => randomMatrix(seed + at, rows, 4));
    const { kept, of } = await check(small, large, everyPair(small, large), batches);
    leftOut += of - kept;
  }
  assert(leftOut >= 4 * 22);
});

Deno.test("activationSimilarity: pairs of one latent with many, and a band of its own", async () => {
  const small = makeSae({ architecture: "relu", seed: 1, d: 3, m: 12 });
  const large = makeSae({ architecture: "relu", seed: 2, d: 3, m: 5 });
  const pairs = [11, 3, 7, 0, 5].map((own) => ({ small: own, large: 4 }))
    .concat([{ small: 7, large: 0 }, { small: 2, large: 0 }]);
  await check(small, large, pairs, [randomMatrix(1, 30, 3)], -0.9);
});

testOnCpu("activationSimilarity: an SAE beside itself, and pairs given twice", async (open) => {
  using gpu = await open();
  const sae = makeSae({ architecture: "relu", seed: 3, d: 5, m: 8 });
  const twin = { ...sae, wEnc: sae.wEnc.map((w) => 3 * w), bEnc: sae.bEnc.map((b) => 3 * b) };
  const same = Array.from({ length: 8 }, (_, i) => ({ small: i, large: i }));
  const x = randomMatrix(1, 50, 5);
  const found = await activationSimilarity(gpu, sae, twin, [...same, ...same], [x]);
  assertEquals(found.pairs.length + found.neverActive, 8);
  for (const { decoderCosine, activationCosine, correlation } of found.pairs) {
    assertAlmostEquals(decoderCosine, 1, 1e-12);
    assertAlmostEquals(activationCosine, 1, 1e-6);
    assertAlmostEquals(correlation, 1, 1e-6);
  }
});

testOnCpu(
  "activationSimilarity: latents that never change are left out, and nothing is NaN",
  async (open) => {
    using gpu = await open();
    const small = makeSae({ architecture: "relu", seed: 3, d: 2, m: 3 });
    const large = makeSae({ architecture: "relu", seed: 4, d: 2, m: 3 });
    // Latent 1 has the activation 0.1 in every sample, latent 2 none.
    for (const sae of [small, large]) {
      sae.wEnc.fill(0, 2);
      sae.bEnc.set([5, 0.1, -1]);
    }
    const batches = [randomMatrix(1, 100, 2), randomMatrix(2, 333, 2)];
    const all = await activationSimilarity(gpu, small, large, everyPair(small, large), batches);
    assertEquals([all.pairs.length, all.neverActive, all.constant], [1, 5, 3]);
    assertEquals(all.fit, { activationCosine: undefined, correlation: undefined });
    const none = await activationSimilarity(gpu, small, large, [], batches);
    assertEquals([none.pairs.length, none.neverActive, none.constant], [0, 0, 0]);
    assertEquals(none.fitAbove, { activationCosine: undefined, correlation: undefined });
    const one = await activationSimilarity(
      ...[gpu, small, large, everyPair(small, large), [randomMatrix(1, 1, 2)]] as const,
    );
    assertEquals([one.pairs.length, one.neverActive, one.constant], [0, 5, 4]);
  },
);

testOnCpu(
  "activationSimilarity refuses what does not fit, stops when told, says how far it is",
  async (open) => {
    using gpu = await open();
    const small = makeSae({ architecture: "relu", seed: 1, d: 3, m: 4 });
    const large = makeSae({ architecture: "relu", seed: 2, d: 3, m: 5 });
    const x = randomMatrix(1, 4, 3);
    const cases: [LatentPair[], Matrix[], Sae, string][] = [
      [[], [], large, "there were no activations to measure on"],
      [
        [{ small: 4, large: 0 }],
        [x],
        large,
        "a pair's small latent is 4, expected a latent from 0 to 3",
      ],
      [
        [{ small: 0, large: -1 }],
        [x],
        large,
        "a pair's large latent is -1, expected a latent from 0 to 4",
      ],
      [[{ small: 0, large: 0.5 }], [x], large, "a pair's large latent is 0.5, expected"],
      [[], [x, randomMatrix(1, 4, 2)], large, "the activations are 4 × 2"],
      [
        [],
        [x],
        { ...large, inputNormalization: "layer_norm" },
        "large.inputNormalization is layer_norm",
      ],
    ];
    for (const [pairs, batches, other, text] of cases) {
      const run = () => activationSimilarity(gpu, small, other, pairs, batches);
      await assertRejects(run, RangeError, text);
      assertEquals(gpu.allocated, 0);
    }
    await assertStops(
      4,
      (options) => activationSimilarity(gpu, small, large, [], [x, x, x], options),
    );
    assertEquals(gpu.allocated, 0);
  },
);
