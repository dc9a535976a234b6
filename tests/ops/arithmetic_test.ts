import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createMemory } from "../../lib/device/cpu_memory.ts";
import { createThread, plainProduct, type Thread } from "../../lib/device/cpu_stage.ts";
import { addRows, addRowsOn, dot, dotOn } from "../../lib/ops/arithmetic.ts";
import { balanceColumns, roundLatents, roundSamples } from "../../lib/ops/round_rows.ts";
import {
  dotPairs,
  dotPairsOn,
  groupMaxima,
  groupMaximaOn,
  scanSums,
  scanSumsOn,
} from "../../lib/ops/scan_sums.ts";
import { overflowing, TINY } from "../../lib/ops/screen_bounds.ts";
import { updateRow, updateRowOn } from "../../lib/ops/update_row.ts";
import { createRandom } from "../../lib/random.ts";

const BLOCK = 128;

const memory = createMemory();
const thread = await createThread({ index: 0, count: 1, memory: memory.wasm, simd: true });
const plain: Thread = { ...thread, simd: undefined };

/** Copies numbers to where SIMD sees them, behind a number that is not theirs. */
function put<T extends Float32Array | Uint32Array | Int32Array>(numbers: T): T {
  const offset = memory.allocate(numbers.byteLength + 4) + 4;
  const View = numbers.constructor as new (
    buffer: ArrayBuffer,
    at: number,
    length: number,
  ) => T;
  const view = new View(memory.wasm.buffer as ArrayBuffer, offset, numbers.length);
  view.set(numbers);
  return view;
}

const bits = (numbers: Float32Array) => [...new Uint32Array(numbers.slice().buffer)];

/** Bits of numbers, all that are not a number alike: which one it is, is the processor's choice. */
const bitsOf = (numbers: Float32Array) =>
  bits(numbers.map((value) => value === value ? value : NaN));

const SPECIAL = [0, -0, 1e-45, -1e-40, 1.2e-38, 3e38, -3e38, Infinity, -Infinity, NaN, 1, 16777217];

/** Random numbers, every `special`-th of which is one of the special ones (0: none). */
function makeNumbers(seed: number, length: number, special: number, most = SPECIAL.length) {
  const random = createRandom(seed);
  return Float32Array.from({ length }, (_, at) => {
    if (special && at % special === 0) return SPECIAL[random.below(most)];
    return (2 * random.uniform() - 1) * 2 ** (random.below(9) - 4);
  });
}

const shape = fc.record({
  d: fc.integer({ min: 0, max: 70 }),
  special: fc.constantFrom(0, 0, 1, 3, 29),
  seed: fc.nat(),
});

Deno.test("the SIMD loops are loaded: what follows compares two things", () => {
  assert(thread.simd);
});

Deno.test("dot: plain loop and SIMD give the same bits, near the float64 sum", () => {
  fc.assert(
    fc.property(shape, ({ d, special, seed }) => {
      const [a, b] = [
        put(makeNumbers(seed, d + 3, special)),
        put(makeNumbers(seed + 1, d, special)),
      ];
      const own = Float32Array.of(dot(a, 3, b, 0, d), dotOn(thread)(a, 3, b, 0, d));
      assertEquals(bitsOf(own.subarray(0, 1)), bitsOf(own.subarray(1)));
      if (special) return;
      let [sum, norm] = [0, 0];
      for (let c = 0; c < d; c++) {
        sum += a[3 + c] * b[c];
        norm += Math.abs(a[3 + c] * b[c]);
      }
      assert(Math.abs(own[0] - sum) <= (d / 16 + 10) * 2 ** -23 * norm);
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("addRows: plain loop and SIMD give the same bits, near the float64 sum", () => {
  const more = fc.record({
    count: fc.integer({ min: 0, max: 11 }),
    stride: fc.constantFrom(1, 2),
    sign: fc.constantFrom(1 as const, -1 as const),
    fresh: fc.boolean(),
    half: fc.constantFrom(undefined, 5),
  });
  fc.assert(
    fc.property(shape, more, ({ d, special, seed }, { count, stride, ...how }) => {
      const random = createRandom(seed);
      const [first, last] = [2, 2 + count];
      const source = put(makeNumbers(seed, 10 * d, special));
      const most = how.half === undefined ? 10 : 15;
      const rows = put(Uint32Array.from({ length: last }, () => random.below(most)));
      const factors = put(makeNumbers(seed + 1, stride * last, special));
      const start = makeNumbers(seed + 2, d + 1, special);
      const given = { first, last, stride, d, ...how };
      const results = [plain, thread].map((on) => {
        const out = put(start);
        addRowsOn(on)(out, 1, source, rows, factors, given);
        return out;
      });
      assertEquals(bitsOf(results[0]), bitsOf(results[1]));
      assertEquals(bits(results[0].subarray(0, 1)), bits(start.subarray(0, 1)));
      if (special) return;
      for (let c = 0; c < d; c++) {
        let [sum, size] = [how.fresh ? 0 : start[1 + c], 0];
        for (let j = first; j < last; j++) {
          const row = rows[j] % (how.half ?? 10);
          const wanted = rows[j] < (how.half ?? 10) ? row : rows[j] - how.half!;
          const part = how.sign * factors[stride * j] * source[wanted * d + c];
          sum += part;
          size += Math.abs(part);
        }
        assert(Math.abs(results[0][1 + c] - sum) <= 1e-6 * (size + Math.abs(start[1 + c])));
      }
    }),
    { numRuns: 200, seed: 2 },
  );
  assertEquals(addRowsOn(plain), addRows);
});

Deno.test("updateRow: plain loop and SIMD give the same bits", () => {
  fc.assert(
    fc.property(shape, fc.boolean(), ({ d, special, seed }, decoder) => {
      const start = [0, 1, 2, 3].map((at) => makeNumbers(seed + at, d + 2, special));
      start[2] = start[2].map(Math.abs);
      const step = put(Float32Array.of(0, 0.01, 1.3, 0.9, 0.99, 1e-8, 0, 0));
      const results = [plain, thread].map((on) => {
        const [w, first, second, gradient] = start.map(put);
        const row = { w, first, second, at: 1, gradient, gradientAt: 2, d };
        updateRowOn(on)(row, { step, rate: Math.fround(0.01), decoder });
        return [w, first, second, gradient];
      });
      for (const at of start.keys()) assertEquals(bitsOf(results[0][at]), bitsOf(results[1][at]));
    }),
    { numRuns: 200, seed: 3 },
  );
  assertEquals(updateRowOn(plain), updateRow);
});

Deno.test("scans of sums: plain loops and SIMD give the same", () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 1, max: 35 }),
    latents: fc.integer({ min: 1, max: 20 }),
    special: fc.constantFrom(0, 3),
    d: fc.integer({ min: 1, max: 20 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(sizes, ({ rows, latents, special, d, seed }) => {
      const random = createRandom(seed);
      const length = rows * latents;
      const sums = {
        sums: put(Int32Array.from({ length }, () => random.below(2001) - 1000)),
        scale: put(makeNumbers(seed, rows, special)),
        ...{ rows, latents },
      };
      const [cuts, inverse, least] = [rows, latents, latents].map((count, at) =>
        put(makeNumbers(seed + at + 1, count, special))
      );
      const found = [plain, thread].map((on) => {
        const out = put(new Uint32Array(length));
        const count = scanSumsOn(on)(sums, cuts, inverse, least, out);
        return [...out.subarray(0, count)];
      });
      assertEquals(found[0], found[1]);
      const groups = 1 + random.below(latents);
      const best = [plain, thread].map((on) => {
        const out = put(new Float32Array(groups * rows).fill(-Infinity));
        const group = random.below(1);
        groupMaximaOn(on)(sums, inverse, least, out, { group, groups });
        return bits(out);
      });
      assertEquals(best[0], best[1]);
      const matrices = {
        x: put(makeNumbers(seed + 4, rows * d, special)),
        w: put(makeNumbers(seed + 5, latents * d, special)),
        latents: put(Uint32Array.from({ length: latents }, () => random.below(latents))),
        d,
      };
      const pairs = put(Uint32Array.from(found[0]));
      const dots = [plain, thread].map((on) => {
        const out = put(new Float32Array(pairs.length));
        dotPairsOn(on)(pairs, pairs.length, rows, matrices, out);
        return bitsOf(out);
      });
      assertEquals(dots[0], dots[1]);
    }),
    { numRuns: 100, seed: 6 },
  );
  assertEquals([scanSumsOn(plain), groupMaximaOn(plain)], [scanSums, groupMaxima]);
  assertEquals(dotPairsOn(plain), dotPairs);
});

Deno.test("rounding's bound holds for each pair, with 7 and 8 bits, plain and by SIMD", () => {
  const sizes = fc.record({
    n: fc.integer({ min: 1, max: BLOCK + 3 }),
    m: fc.integer({ min: 1, max: 9 }),
    d: fc.integer({ min: 1, max: 40 }),
    powers: fc.tuple(fc.integer({ min: -44, max: 30 }), fc.integer({ min: -44, max: 30 })),
    spread: fc.integer({ min: 0, max: 12 }),
    steps: fc.constantFrom(1, 3, 254, 2 ** 24),
    bits: fc.constantFrom(7 as const, 8 as const),
    seed: fc.nat(),
  });
  let [pairs, tight] = [0, 0];
  fc.assert(
    fc.property(sizes, ({ n, m, d, powers, spread, steps, bits, seed }) => {
      const random = createRandom(seed);
      const numbers = (length: number, power: number) =>
        put(Float32Array.from({ length }, () => {
          const value = Math.round((2 * random.uniform() - 1) * steps) / steps;
          return value * 10 ** (power + random.below(spread + 1) - spread / 2);
        }));
      const [x, w] = [numbers(n * d, powers[0]), numbers(m * d, powers[1])];
      const [balance, inverse] = [put(new Float32Array(d)), put(new Float32Array(d))];
      const peaksOf = (all: Float32Array) =>
        put(Float32Array.from({ length: d }, (_, c) => {
          let most = 0;
          for (let at = c; at < all.length; at += d) most = Math.max(most, Math.abs(all[at]));
          return most;
        }));
      const samplePeaks = peaksOf(x);
      balanceColumns({ samplePeaks, latentPeaks: peaksOf(w), balance, inverse, d }, 0, d);
      const most = 2 ** (bits - 1) - 1;
      for (const simd of [undefined, thread.simd]) {
        const own: Thread = {
          ...thread,
          simd,
          integerProduct: { ...plainProduct, bits, zero: 2 ** (bits - 1) },
        };
        const side = (rows: number) => ({
          scale: put(new Float32Array(rows)),
          norm: put(new Float32Array(rows)),
          error: put(new Float32Array(rows)),
        });
        const [samples, latents] = [side(n), side(m)];
        const [latentsAt, samplesAt] = [memory.allocate(m * d), memory.allocate(n * d)];
        const latentBytes = new Uint8Array(memory.wasm.buffer, latentsAt, m * d);
        const sampleBytes = new Int8Array(memory.wasm.buffer, samplesAt, n * d);
        const peaks = put(new Float32Array(Math.ceil(m / 64) * d));
        const groups = Math.ceil(m / 64);
        roundLatents(
          { w, bytes: latentBytes, ...latents, balance, peaks, latents: m, d },
          ...[0, groups, own] as const,
        );
        const blocks = Math.ceil(n / BLOCK);
        roundSamples(
          { x, bytes: sampleBytes, ...samples, inverse, rows: n, block: BLOCK, d },
          ...[0, blocks, own] as const,
        );
        for (let r = 0; r < n; r++) {
          const first = r - r % BLOCK;
          const count = Math.min(BLOCK, n - first);
          for (let i = 0; i < m; i++) {
            let [exact, sum] = [0, 0];
            for (let c = 0; c < d; c++) {
              exact += x[r * d + c] * w[i * d + c];
              const byte = latentBytes[i * d + c] - own.integerProduct.zero;
              assert(Math.abs(byte) <= most);
              sum += byte * sampleBytes[first * d + c * count + r - first];
            }
            const estimate = sum * samples.scale[r] * latents.scale[i];
            const [norm, other] = [overflowing(samples.norm[r]), overflowing(latents.norm[i])];
            const rounding = (d / 16 + 14) * 2 ** -23;
            const bound = (samples.error[r] + rounding * norm) * other +
              (norm + samples.error[r]) * latents.error[i] + TINY;
            const off = Math.abs(exact - estimate);
            // Infinity · 0 is no number: what is not below anything rules nothing out.
            assert(!(off > bound), `${exact} is estimated as ${estimate} ± ${bound}`);
            // What float32 makes of the dot stays within it too.
            assert(!(Math.abs(dot(x, r * d, w, i * d, d) - estimate) > bound));
            pairs++;
            if (bound < 0.05 * norm * other) tight++;
          }
        }
      }
    }),
    { numRuns: 150, seed: 7 },
  );
  // The bound says something.
  assert(tight > pairs / 10, `${tight} of ${pairs}`);
});
