import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  collectContexts,
  type LatentContext,
  type SeenLatent,
} from "../../lib/interpretation/latent_contexts.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";

const M = 7;

interface Row {
  positions: number[];
  /** Activations of the row's samples, [samples][m]. */
  values: number[][];
}

/** Rows of which some positions are left out; activations of very different size, many of them equal. */
function randomRows(seed: number, count: number, length: number): Row[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const positions = Array.from({ length }, (_, p) => p).filter(() => random.uniform() < 0.9);
    const values = positions.map(() =>
      Array.from({ length: M }, (_, latent) => {
        // Latent 0 is never active.
        if (latent === 0 || random.uniform() < 0.5) return 0;
        return Math.fround(2 ** (random.below(latent + 1) - 3) * (1 + random.below(4) / 4));
      })
    );
    return { positions, values };
  });
}

function codesOf(rows: Row[]): SparseMatrix {
  const all = rows.flatMap(({ values }) => values);
  const entries = all.map((row) =>
    row.flatMap((value, latent) => value > 0 ? [{ latent, value }] : [])
  );
  const offsets = [0];
  for (const each of entries) offsets.push(offsets.at(-1)! + each.length);
  return {
    rows: all.length,
    cols: M,
    rowOffsets: Uint32Array.from(offsets),
    latents: Uint32Array.from(entries.flat(), ({ latent }) => latent),
    values: Float32Array.from(entries.flat(), ({ value }) => value),
  };
}

function collect(rows: Row[], length: number, perRun: number, options = {}): SeenLatent[] {
  const seen = collectContexts({
    ...{ dictSize: M, length, top: 3, perInterval: 2, window: { before: 2, after: 1 } },
    ...options,
  });
  for (let first = 0; first < rows.length; first += perRun) {
    const part = rows.slice(first, first + perRun);
    const codes = codesOf(part);
    let from = 0;
    part.forEach(({ positions }, r) => {
      seen.add(first + r, codes, from, positions);
      from += positions.length;
    });
  }
  return Array.from({ length: M }, (_, latent) => seen.read(latent));
}

/** All places where a latent is active, in the order of the text. */
function placesOf(rows: Row[], latent: number, length: number): LatentContext[] {
  return rows.flatMap(({ positions, values }, row) => {
    const line = new Float32Array(length);
    positions.forEach((p, i) => line[p] = values[i][latent]);
    return positions.filter((p) => line[p] > 0).map((p) => {
      const start = Math.max(0, p - 2);
      const activations = line.slice(start, p + 2);
      return { row, start, peak: p - start, value: line[p], activations };
    });
  });
}

Deno.test("top contexts, intervals and sums are those of a plain search, however rows are split", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 1, max: 9 }),
    (seed, count, length) => {
      const rows = randomRows(seed, count, length);
      const found = collect(rows, length, 4);
      assertEquals(found, collect(rows, length, 100));
      found.forEach((seen, latent) => {
        const places = placesOf(rows, latent, length);
        const values = places.map(({ value }) => value);
        assertEquals(seen.actives, places.length);
        assertEquals(seen.maxActivation, Math.max(0, ...values));
        const mean = values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
        assertAlmostEquals(seen.meanActivation, mean, 1e-6 * mean);
        // The first largest place of each row, the largest first, of equal ones the lower row.
        const peaks = [...Map.groupBy(places, ({ row }) => row).values()]
          .map((own) => own.reduce((best, each) => each.value > best.value ? each : best))
          .sort((a, b) => b.value - a.value || a.row - b.row);
        assertEquals(seen.top, peaks.slice(0, 3));
        const { intervals } = seen;
        assertEquals(intervals.length === 0, places.length === 0);
        if (intervals.length > 0) {
          assert(intervals.length >= 5 && intervals.length <= 8, `${intervals.length} intervals`);
          assertEquals(intervals[0].low, 0);
          assert(intervals.at(-1)!.low <= seen.maxActivation);
          assert(intervals.at(-1)!.high > seen.maxActivation);
        }
        intervals.forEach(({ low, high, count: counted, samples }, i) => {
          if (i > 0) assertEquals(low, intervals[i - 1].high);
          assertAlmostEquals(high - low, intervals[0].high, 1e-12);
          const own = places.filter(({ value }) => value >= low && value < high);
          assertEquals(counted, own.length);
          assertEquals(samples.length, Math.min(2, own.length));
          // Samples are places of the interval, each at most once, in order.
          const at = samples.map((sample) =>
            own.findIndex((each) =>
              each.row === sample.row && each.start === sample.start &&
              each.peak === sample.peak
            )
          );
          assertEquals(at, [...new Set(at)].sort((a, b) => a - b));
          samples.forEach((sample, s) => assertEquals(sample, own[at[s]]));
        });
      });
    },
  ));
});

Deno.test("every place has the same chance to be a sample, whether the bins doubled or not", () => {
  const chosen = new Map<number, number>();
  const trials = 3000;
  for (let trial = 0; trial < trials; trial++) {
    // Ten places of one interval in a row whose number is the trial's; the last value doubles the bins.
    const values = [...new Array<number>(10).fill(1), 1.9, 30];
    const rows = [{
      positions: values.map((_, p) => p),
      values: values.map((v) => [0, v, 0, 0, 0, 0, 0]),
    }];
    const codes = codesOf(rows);
    const seen = collectContexts({
      ...{ dictSize: M, length: 12, top: 1, perInterval: 2, window: { before: 0, after: 0 } },
    });
    seen.add(trial, codes, 0, rows[0].positions);
    for (const { start } of seen.read(1).intervals[0].samples) {
      chosen.set(start, (chosen.get(start) ?? 0) + 1);
    }
  }
  // 2 of 11 places: 545 times of 3,000 each, with a standard deviation of 21.
  for (let p = 0; p < 11; p++) {
    const times = chosen.get(p) ?? 0;
    assert(Math.abs(times - trials * 2 / 11) < 110, `place ${p} was chosen ${times} times`);
  }
});

Deno.test("only the latents that are asked for are kept", () => {
  const rows = randomRows(3, 10, 6);
  const all = collect(rows, 6, 5);
  const seen = collectContexts({
    ...{ dictSize: M, latents: [5, 2], length: 6, top: 3, perInterval: 2 },
    window: { before: 2, after: 1 },
  });
  const codes = codesOf(rows);
  let from = 0;
  rows.forEach(({ positions }, r) => {
    seen.add(r, codes, from, positions);
    from += positions.length;
  });
  assertEquals(seen.read(5), all[5]);
  assertEquals(seen.read(2), all[2]);
  assertThrows(() => seen.read(1), RangeError, "latent 1 was not looked at");
  assertThrows(() => seen.read(99), RangeError, "latent 99 was not looked at");
  codes.values.fill(NaN);
  assertThrows(
    () => seen.add(10, codes, 0, rows[0].positions),
    RangeError,
    "is NaN, expected a finite number above 0",
  );
});
