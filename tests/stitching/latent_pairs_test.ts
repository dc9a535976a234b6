import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { decoderCosine, nearestPairs, samplePairs } from "../../lib/stitching/latent_pairs.ts";
import { fitLine } from "../../lib/stitching/activation_similarity.ts";
import { cosineOf, decoderRow } from "../oracles/similarity.ts";
import { makeSae } from "./made_saes.ts";

const small = makeSae({ architecture: "relu", seed: 1, d: 4, m: 30 });
const large = makeSae({ architecture: "relu", seed: 2, d: 4, m: 50 });

Deno.test("nearestPairs: one pair a latent of the large SAE", () => {
  assertEquals(nearestPairs(Uint32Array.of(5, 0)), [{ small: 5, large: 0 }, {
    small: 0,
    large: 1,
  }]);
});

Deno.test("samplePairs: all pairs of a band where they are few, no more than wanted where many", () => {
  const bandOf = (pair: { small: number; large: number }, bands: number) => {
    const cosine = cosineOf(decoderRow(small, pair.small), decoderRow(large, pair.large));
    return Math.min(bands - 1, Math.floor((cosine + 1) / 2 * bands));
  };
  const counts = (pairs: { small: number; large: number }[], bands: number) => {
    const found = Array(bands).fill(0);
    for (const pair of pairs) found[bandOf(pair, bands)]++;
    return found;
  };
  const all = Array.from(
    { length: 1500 },
    (_, at) => ({ small: at % 30, large: Math.floor(at / 30) }),
  );
  for (const [bands, perBand] of [[1, 7], [4, 2000], [20, 30]]) {
    const pairs = samplePairs(small, large, { bands, perBand });
    const wanted = counts(all, bands).map((count) => Math.min(count, perBand));
    assertEquals(counts(pairs, bands), wanted);
    const order = pairs.map((pair) => bandOf(pair, bands) * 1e6 + pair.large * 1e3 + pair.small);
    assertEquals(order, [...new Set(order)].sort((a, b) => a - b), "in order, none twice");
  }
  // Cosines of exactly -1 and 1 are in the first and in the last band.
  const one = { ...small, dModel: 1, dictSize: 2, wDec: Float32Array.of(1, -1) };
  const line = { ...one, wEnc: one.wDec, bEnc: one.wDec, bDec: Float32Array.of(0) };
  const ends = samplePairs(line, line, { bands: 2 }).map(({ small, large }) => [small, large]);
  assertEquals(ends, [[1, 0], [0, 1], [0, 0], [1, 1]]);
  const few = samplePairs(small, large, { latents: 3, perBand: 1000 });
  assertEquals([few.length, new Set(few.map(({ large }) => large)).size], [90, 3]);
});

Deno.test("samplePairs: every pair comes up, and the seed decides", () => {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < 600; seed++) {
    const options = { bands: 1, perBand: 5, latents: 10, seed };
    const pairs = samplePairs(
      small,
      makeSae({ architecture: "relu", seed: 2, d: 4, m: 20 }),
      options,
    );
    assertEquals(pairs.length, 5);
    for (const { small, large } of pairs) {
      for (const key of [`small ${small}`, `large ${large}`]) {
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
    }
  }
  // 3000 pairs: each small latent in 100 ± 10 of them, each large one in 150 ± 17 (draws come by tens).
  assertEquals(seen.size, 50);
  for (const [key, count] of seen) {
    const wanted = key.startsWith("small") ? 100 : 150;
    assert(Math.abs(count - wanted) < 70, `${key} was drawn ${count} times`);
  }
  const options = { perBand: 3, latents: 9 };
  assertEquals(
    samplePairs(small, large, options),
    samplePairs(small, large, { ...options, seed: 0 }),
  );
  assert(
    JSON.stringify(samplePairs(small, large, options)) !==
      JSON.stringify(samplePairs(small, large, { ...options, seed: 1 })),
  );
  for (const name of ["bands", "perBand", "latents"]) {
    assertThrows(
      () => samplePairs(small, large, { [name]: 0 }),
      RangeError,
      `${name} is 0, expected a whole number above 0`,
    );
  }
});

Deno.test("decoderCosine: of any lengths, and 0 beside a row of zeros", () => {
  for (const pair of [{ small: 0, large: 0 }, { small: 29, large: 49 }]) {
    const expected = cosineOf(decoderRow(small, pair.small), decoderRow(large, pair.large));
    assertAlmostEquals(decoderCosine(small, large, pair), expected, 1e-12);
  }
  const zero = { ...large, wDec: large.wDec.with(4, 0).with(5, 0).with(6, 0).with(7, 0) };
  assertEquals(decoderCosine(small, zero, { small: 3, large: 1 }), 0);
});

Deno.test("fitLine: a line is found, noise lowers R², no spread gives none", () => {
  assertEquals(fitLine([0, 1, 2], [1, 3, 5]), { points: 3, slope: 2, intercept: 1, rSquared: 1 });
  assertEquals(fitLine([0, 1, 0, 1], [0, 0, 1, 3])!.rSquared, 1 / 6);
  const rounded = [1 - 3e-8, 1, 1 - 6e-8];
  for (
    const [x, y] of [
      ...[[[], []], [[1], [2]], [[1, 1], [2, 3]], [[1, 2], [3, 3]]],
      ...[[rounded, [0, 1, 2]], [[0, 1, 2], rounded]],
    ]
  ) {
    assertEquals(fitLine(x, y), undefined);
  }
  assertEquals(fitLine([1 - 1e-4, 1], [1, 2])?.points, 2);
});
