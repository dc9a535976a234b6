import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";

import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import {
  classifyLatents,
  cosineHistogram,
  maxDecoderCosine,
} from "../../lib/stitching/decoder_cosine.ts";
import { assertClose, openGpu, presentAs, randomMatrix, randomSae, SMALL } from "../gpu_helper.ts";
import { cosines, rowMaxima } from "../oracles/cosine.ts";

const KINDS = ["software", "hardware"] as const;

/** The rows `order` of a matrix, each times its scale. */
function pick({ data, cols }: Matrix, order: number[], scales: number[] = []): Matrix {
  const rows = order.map((row, at) =>
    data.slice(row * cols, (row + 1) * cols).map((value) => value * (scales[at] ?? 1))
  );
  const picked = new Float32Array(order.length * cols);
  rows.forEach((row, at) => picked.set(row, at * cols));
  return { data: picked, rows: order.length, cols };
}

function shuffled(seed: number, length: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length }, (_, i) => ({ i, key: random.uniform() }))
    .sort((a, b) => a.key - b.key).map(({ i }) => i);
}

Deno.test("maxDecoderCosine of two SAEs reads their decoders; of rows the rows", async () => {
  const [small, large] = [randomSae(1, 12, 30), randomSae(9, 12, 75)];
  const rows = { data: small.wDec, rows: 30, cols: 12 };
  const own = { data: large.wDec, rows: 75, cols: 12 };
  const expected = rowMaxima(cosines(own, rows));
  for (const options of [{}, SMALL]) {
    using gpu = await openGpu(options);
    for (const kind of KINDS) {
      const found = await maxDecoderCosine(presentAs(gpu, kind), small, large);
      assertClose(found.cosine, expected.cosine, kind, 1e-6);
      assertEquals([...found.nearest], expected.nearest);
      assertEquals(await maxDecoderCosine(presentAs(gpu, kind), rows, own), found);
    }
  }
});

Deno.test("maxDecoderCosine: a latent that is zero has the cosine 0, and is a neighbour at 0", async () => {
  using gpu = await openGpu();
  const from = { data: Float32Array.of(0, 0, 0, 1, 2, 3), rows: 2, cols: 3 };
  const to = { data: Float32Array.of(-1, -2, -3, 0, 0, 0, -2, 1, 0), rows: 3, cols: 3 };
  for (const kind of KINDS) {
    const { cosine, nearest } = await maxDecoderCosine(presentAs(gpu, kind), to, from);
    assertEquals([[...cosine], [...nearest]], [[0, 0], [0, 1]]);
  }
});

Deno.test("laws: rows in another order, rows at another scale, an SAE beside itself", async () => {
  using gpu = await openGpu();
  const shape = { seed: fc.nat(1e6), m1: fc.integer({ min: 1, max: 40 }) };
  const model = fc.record({ ...shape, m0: fc.integer({ min: 1, max: 300 }) });
  for (const kind of KINDS) {
    const device = presentAs(gpu, kind);
    await fc.assert(
      fc.asyncProperty(model, async ({ seed, m1, m0 }) => {
        // One width: a kernel is compiled for each.
        const [a, b] = [randomMatrix(seed, m1, 7), randomMatrix(seed + 1, m0, 7)];
        const found = await maxDecoderCosine(device, b, a);
        const [orderA, orderB] = [shuffled(seed, m1), shuffled(seed + 2, m0)];
        const moved = await maxDecoderCosine(device, pick(b, orderB), pick(a, orderA));
        assertEquals([...moved.cosine], orderA.map((row) => found.cosine[row]));
        // Equal cosines are not to be had from random rows: the neighbour is the same row.
        assertEquals(
          Array.from(moved.nearest, (at) => orderB[at]),
          orderA.map((row) => found.nearest[row]),
        );
        const powers = (length: number) =>
          Array.from({ length }, (_, i) => 2 ** ((i * 7 + seed) % 40 - 20));
        const same = (length: number) => Array.from({ length }, (_, i) => i);
        const scaled = await maxDecoderCosine(
          device,
          pick(b, same(m0), powers(m0)),
          pick(a, same(m1), powers(m1)),
        );
        assertEquals(scaled, found);
        const own = await maxDecoderCosine(device, b, b);
        assertEquals([...own.nearest], same(m0));
        assertClose(own.cosine, new Float32Array(m0).fill(1), "itself", 1e-6);
        assert(own.cosine.every((value) => value <= 1));
        if (m0 > 1) {
          const others = await maxDecoderCosine(device, b, b, { skipSame: true });
          assert(others.nearest.every((neighbour, i) => neighbour !== i));
          assert(others.cosine.every((value, i) => value < own.cosine[i]));
        }
      }),
      { numRuns: 8 },
    );
  }
});

Deno.test("maxDecoderCosine says how far it is, and stops between pieces when it is told to", async () => {
  using gpu = await openGpu(SMALL);
  const [a, b] = [randomMatrix(1, 260, 8), randomMatrix(2, 1100, 8)];
  for (const kind of KINDS) {
    const device = presentAs(gpu, kind);
    const counts: number[] = [];
    await maxDecoderCosine(device, b, a, {
      onProgress({ done, total }) {
        assertEquals(total, 260 * 1100);
        counts.push(done);
      },
    });
    assert(counts.length > 3);
    assertEquals(counts.at(-1), 260 * 1100);
    assertEquals(counts, [...new Set(counts)].sort((x, y) => x - y));
    const controller = new AbortController();
    let calls = 0;
    await assertRejects(
      () =>
        maxDecoderCosine(device, b, a, {
          signal: controller.signal,
          onProgress: () => ++calls === 2 && controller.abort(new Error("enough")),
        }),
      Error,
      "enough",
    );
    assertEquals(calls, 2);
    assertEquals(gpu.allocated, 0);
  }
});

Deno.test("maxDecoderCosine refuses what has no cosines", async () => {
  using gpu = await openGpu();
  const sae = randomSae(1, 4, 5);
  const bad = { ...sae, wDec: sae.wDec.with(6, NaN) };
  const cases: [Parameters<typeof maxDecoderCosine>[1], Matrix | typeof sae, string][] = [
    [
      sae,
      randomSae(1, 3, 5),
      "the rows of small have 3 numbers, those of large 4: expected one width",
    ],
    [bad, sae, "the decoder of large is not finite in row 1, column 2: NaN"],
    [sae, bad, "the decoder of small is not finite in row 1, column 2: NaN"],
    [
      sae,
      { data: new Float32Array(), rows: 0, cols: 4 },
      "the decoder of small is [0, 4], expected",
    ],
    [
      { ...sae, wDec: new Float32Array(19) },
      sae,
      "the decoder of large has 19 numbers, expected [5",
    ],
  ];
  for (const [large, small, text] of cases) {
    await assertRejects(() => maxDecoderCosine(gpu, small, large), RangeError, text);
  }
  await assertRejects(
    () => maxDecoderCosine(gpu, randomSae(1, 4, 1), sae, { skipSame: true }),
    RangeError,
    "skipSame leaves latent 0 nothing to compare with",
  );
  assertEquals(gpu.allocated, 0);
});

Deno.test("classifyLatents: novel below the threshold, reconstruction from it on", () => {
  const cosine = [0.7, 0.69, 0.71, -1, 1];
  assertEquals(classifyLatents(cosine, 0.7), {
    novel: Uint32Array.of(1, 3),
    reconstruction: Uint32Array.of(0, 2, 4),
  });
  assertEquals(classifyLatents(cosine, -1).novel.length, 0);
  assertEquals([...classifyLatents(cosine, 1).reconstruction], [4]);
  // The float32 next to 0.7 is below it.
  assertEquals(classifyLatents(Float32Array.of(0.7), 0.7).novel.length, 1);
  assertEquals(classifyLatents([], 0.7), {
    novel: new Uint32Array(),
    reconstruction: new Uint32Array(),
  });
  for (const threshold of [NaN, 1.01, -1.01, Infinity]) {
    assertThrows(() => classifyLatents(cosine, threshold), RangeError, `threshold is ${threshold}`);
  }
  assertThrows(() => classifyLatents([0, NaN], 0.7), RangeError, "cosine[1] is NaN, expected");
  assertThrows(() => classifyLatents([1.5], 0.7), RangeError, "cosine[0] is 1.5, expected");
});

Deno.test("cosineHistogram counts every cosine once, in the bin that its edges say", () => {
  const { edges, counts } = cosineHistogram([-1, -0.5, -0.51, 0, 0.49, 0.5, 1, 1], 4);
  assertEquals([...edges], [-1, -0.5, 0, 0.5, 1]);
  assertEquals([...counts], [2, 1, 2, 3]);
  assert([0.4, 0.7].every((threshold) => cosineHistogram([]).edges.includes(threshold)));
  const value = fc.double({ min: -1, max: 1, noNaN: true });
  // Values on edges are those that rounding leads astray.
  const onEdge = fc.record({
    bins: fc.integer({ min: 1, max: 200 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(fc.property(onEdge, fc.array(value), ({ bins, part }, values) => {
    const at = Math.round(part * bins);
    const edge = (2 * at - bins) / bins;
    const { edges, counts } = cosineHistogram([edge], bins);
    assertEquals(edges[at], edge);
    assertEquals(counts[Math.min(at, bins - 1)], 1);
    const all = cosineHistogram(values, bins);
    assertEquals(all.counts.reduce((sum, count) => sum + count, 0), values.length);
    for (let b = 0; b < bins; b++) {
      const inside = values.filter((value) =>
        value >= edges[b] && (value < edges[b + 1] || b === bins - 1)
      );
      assertEquals(all.counts[b], inside.length);
    }
  }));
  assertThrows(() => cosineHistogram([0], 0), RangeError, "bins is 0, expected a whole number");
  assertThrows(() => cosineHistogram([NaN]), RangeError, "cosine[0] is NaN, expected a number");
});
