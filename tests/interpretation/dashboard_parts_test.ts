// What is collected does not depend on where the rows are divided.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { collectBackground } from "../../lib/interpretation/background_rows.ts";
import { collectCoactivations } from "../../lib/interpretation/coactivations.ts";
import type { CollectorState } from "../../lib/interpretation/collector_state.ts";
import { collectForDashboards } from "../../lib/interpretation/dashboard_collectors.ts";
import { createExactSums } from "../../lib/interpretation/exact_sums.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import { createRandom, type Random } from "../../lib/random.ts";

const M = 6;
const LENGTH = 9;
const OPTIONS = {
  ...{ dictSize: M, length: LENGTH, top: 3, perInterval: 2 },
  window: { before: 2, after: 1 },
};

interface Row {
  codes: SparseMatrix;
  positions: number[];
}

/** Codes of a row: activations of very different sizes, equal ones among them, some samples left out. */
function randomRow(random: Random): Row {
  const positions = Array.from({ length: LENGTH }, (_, p) => p).filter(() =>
    random.uniform() < 0.9
  );
  const latents: number[] = [];
  const values: number[] = [];
  const rowOffsets = [0];
  for (let s = 0; s < positions.length; s++) {
    for (let latent = 0; latent < M - 1; latent++) {
      if (random.uniform() > 0.4) continue;
      latents.push(latent);
      values.push((1 + random.below(7)) * 2 ** (random.below(12) - 6) * (1 + latent / 3));
    }
    rowOffsets.push(latents.length);
  }
  return {
    codes: {
      ...{ rows: positions.length, cols: M, rowOffsets: Uint32Array.from(rowOffsets) },
      ...{ latents: Uint32Array.from(latents), values: Float32Array.from(values) },
    },
    positions,
  };
}

interface Collector {
  save(): CollectorState;
  join(state: CollectorState): void;
}

/** The same rows collected in one go, and in parts that are saved and joined in order. */
function inParts<T extends Collector>(
  make: () => T,
  add: (to: T, row: number, of: Row) => void,
  rows: Row[],
  borders: number[],
): { whole: T; joined: T } {
  const collect = (from: number, to: number): T => {
    const own = make();
    for (let row = from; row < to; row++) add(own, row, rows[row]);
    return own;
  };
  const ends = [...borders.map((at) => at % (rows.length + 1)), rows.length].sort((a, b) => a - b);
  const joined = make();
  ends.forEach((end, i) => joined.join(collect(ends[i - 1] ?? 0, end).save()));
  return { whole: collect(0, rows.length), joined };
}

const division = fc.record({
  seed: fc.nat(1e6),
  rows: fc.integer({ min: 1, max: 40 }),
  borders: fc.array(fc.nat(40), { maxLength: 6 }),
});

const rowsOf = ({ seed, rows }: { seed: number; rows: number }): Row[] => {
  const random = createRandom(seed);
  return Array.from({ length: rows }, () => randomRow(random));
};

Deno.test("dashboards' collectors joined in order are those of one pass, bit for bit", () => {
  fc.assert(
    fc.property(division, ({ borders, ...of }) => {
      const { whole, joined } = inParts(
        () => collectForDashboards(OPTIONS),
        (to, row, { codes, positions }) => to.add({ row, codes, from: 0, positions }),
        rowsOf(of),
        borders,
      );
      assertEquals(joined.samples(), whole.samples());
      for (let latent = 0; latent < M; latent++) {
        assertEquals(joined.contexts.read(latent), whole.contexts.read(latent));
        assertEquals(joined.coactivations.read(latent, 4), whole.coactivations.read(latent, 4));
        assertEquals(joined.background.inactive(latent, 3), whole.background.inactive(latent, 3));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("samples and rows that are too many are thinned to the same ones", () => {
  fc.assert(
    fc.property(division, fc.integer({ min: 4, max: 200 }), ({ borders, ...of }, most) => {
      const rows = rowsOf(of);
      const coactive = inParts(
        () => collectCoactivations(M, most),
        (to, row, { codes, positions }) => to.add(row, codes, 0, positions),
        rows,
        borders,
      );
      assertEquals(coactive.joined.save(), coactive.whole.save());
      const background = inParts(
        () => collectBackground(LENGTH, OPTIONS.window, 7, most),
        (to, row, { codes, positions }) => to.add(row, codes, 0, positions),
        rows,
        borders,
      );
      const held = ({ save }: Collector) => ({ ...save(), limit: [] });
      assertEquals(held(background.joined), held(background.whole));
    }),
    { numRuns: 60 },
  );
});

/** A float32 as a whole number of 2^−149. */
function whole(value: number): bigint {
  let [scaled, shift] = [value, 0];
  while (!Number.isInteger(scaled)) [scaled, shift] = [scaled * 2, shift + 1];
  return BigInt(scaled) << BigInt(149 - shift);
}

Deno.test("exact sums are exact, in any order and division, from the smallest float32 to the largest", () => {
  const value = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 60 }), fc.nat(60), (values, border) => {
      const sums = createExactSums(2);
      const later = createExactSums(2);
      values.forEach((each, i) => (i < border ? sums : later).add(1, each));
      sums.join(later.limbs());
      const found = sums.limbs().subarray(9)
        .reduceRight((sum, limb) => (sum << 32n) + BigInt(limb), 0n);
      assertEquals(found, values.reduce((sum, each) => sum + whole(each), 0n));
      const backwards = createExactSums(1);
      for (const each of values.toReversed()) backwards.add(0, each);
      assertEquals(backwards.sum(0), sums.sum(1));
      assertEquals(sums.sum(0), 0);
    }),
  );
  // Limbs are carried in time.
  const many = createExactSums(1);
  for (let i = 0; i < 3_000_000; i++) many.add(0, 1 / 3);
  assertEquals(many.sum(0), 3_000_000 * Math.fround(1 / 3));
});
