import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { collectCoactivations } from "../../lib/interpretation/coactivations.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";

const M = 9;

/** Samples in which latents 2 and 5 go together, latent 8 is active nowhere and latent 7 everywhere alike. */
function sampleRows(seed: number, rows: number): number[][] {
  const random = createRandom(seed);
  return Array.from({ length: rows }, () => {
    const row = Array.from({ length: M }, () => random.uniform() < 0.3 ? random.uniform() : 0);
    if (row[2] > 0) row[5] = 2 * row[2];
    [row[7], row[8]] = [1, 0];
    return row.map(Math.fround);
  });
}

function codesOf(dense: number[][]): SparseMatrix {
  const entries = dense.map((row) => row.flatMap((value, l) => value > 0 ? [{ l, value }] : []));
  const offsets = [0];
  for (const each of entries) offsets.push(offsets.at(-1)! + each.length);
  return {
    rows: dense.length,
    cols: M,
    rowOffsets: Uint32Array.from(offsets),
    latents: Uint32Array.from(entries.flat(), ({ l }) => l),
    values: Float32Array.from(entries.flat(), ({ value }) => value),
  };
}

Deno.test("correlations over all samples are Pearson's", () => {
  const dense = sampleRows(1, 200);
  const seen = collectCoactivations(M);
  for (let row = 0; row < 20; row++) {
    const positions = Array.from({ length: 10 }, (_, p) => p);
    seen.add(row, codesOf(dense.slice(row * 10, row * 10 + 10)), 0, positions);
  }
  assertEquals(seen.samples(), 200);
  const mean = (f: (row: number[]) => number) => dense.reduce((s, row) => s + f(row), 0) / 200;
  for (let latent = 0; latent < M; latent++) {
    const wanted = Array.from({ length: M }, (_, other) => {
      const covariance = mean((row) => row[latent] * row[other]) -
        mean((row) => row[latent]) * mean((row) => row[other]);
      const deviation = (l: number) =>
        Math.sqrt(mean((row) => row[l] ** 2) - mean((row) => row[l]) ** 2);
      return {
        latent: other,
        correlation: covariance / deviation(latent) / deviation(other),
        together: dense.filter((row) => row[latent] > 0 && row[other] > 0).length,
      };
    }).filter((each) => each.latent !== latent && each.together > 0 && each.latent !== 7)
      .sort((a, b) => b.correlation - a.correlation);
    const found = seen.read(latent, 4);
    if (latent >= 7) {
      assertEquals(found, []);
      continue;
    }
    assertEquals(found.map(({ latent }) => latent), wanted.slice(0, 4).map(({ latent }) => latent));
    found.forEach(({ correlation, together }, i) => {
      assertAlmostEquals(correlation, wanted[i].correlation, 1e-5);
      assertEquals(together, wanted[i].together);
    });
  }
  assertEquals(seen.read(2, 1)[0].latent, 5);
});

Deno.test("samples that are held do not depend on how rows are split, and are not too many", () => {
  const dense = sampleRows(2, 400);
  const positions = Array.from({ length: 20 }, (_, p) => p);
  const collect = (rowsPerRun: number) => {
    const seen = collectCoactivations(M, 300);
    for (let first = 0; first < 20; first += rowsPerRun) {
      const codes = codesOf(dense.slice(first * 20, (first + rowsPerRun) * 20));
      for (let r = 0; r < rowsPerRun; r++) seen.add(first + r, codes, r * 20, positions);
    }
    return seen;
  };
  const [one, four] = [collect(1), collect(4)];
  assertEquals(one.samples(), four.samples());
  // About 3.3 latents a sample: 300 entries are 90 samples, and a halving leaves at least some 30.
  assert(one.samples() >= 25 && one.samples() <= 110, `${one.samples()} samples`);
  for (let latent = 0; latent < M; latent++) {
    assertEquals(one.read(latent, 9), four.read(latent, 9));
  }
  assertEquals(one.read(2, 1)[0].latent, 5);
});

Deno.test("latents that are active alike in every sample correlate with nothing", () => {
  // 0.1 and 0.7 are rounded: the sums of 1,000 of them do not cancel to 0.
  const seen = collectCoactivations(M);
  for (let row = 0; row < 1000; row++) {
    const others = [row % 3, row % 3 + row % 2].map((one) => one / 2);
    const dense = [[0.1, 0.7, 1.3, ...others, 0, 0, 0, 0].map(Math.fround)];
    seen.add(row, codesOf(dense), 0, [0]);
  }
  for (const latent of [0, 1, 2]) assertEquals(seen.read(latent, 9), []);
  assertEquals(seen.read(3, 9).map(({ latent }) => latent), [4]);
});

Deno.test("samples without an active latent are not too many either", () => {
  const seen = collectCoactivations(M, 300);
  const positions = Array.from({ length: 20 }, (_, p) => p);
  const nothing = codesOf(Array.from({ length: 20 }, () => new Array(M).fill(0)));
  for (let row = 0; row < 100; row++) seen.add(row, nothing, 0, positions);
  assert(seen.samples() > 75 && seen.samples() <= 300, `${seen.samples()} samples`);
  assertEquals(seen.read(0, 9), []);
});
