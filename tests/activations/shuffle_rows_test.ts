import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { shuffleRows } from "../../lib/activations/shuffle_rows.ts";
import type { Matrix } from "../../lib/matrix.ts";

/** Matrices of the given numbers of rows; row i of all is [i, −i]. The buffer is used again. */
function* numbered(sizes: number[]): Generator<Matrix> {
  const shared = new Float32Array(2 * Math.max(1, ...sizes));
  let next = 0;
  for (const rows of sizes) {
    for (let r = 0; r < rows; r++) shared.set([next, -next++], 2 * r);
    yield { data: shared.subarray(0, 2 * rows), rows, cols: 2 };
  }
}

function firstColumn(batches: Matrix[]): number[] {
  return batches.flatMap(({ data, rows, cols }) => {
    assertEquals(data.length, rows * cols);
    return Array.from({ length: rows }, (_, r) => {
      assertEquals(data[r * cols + 1], -data[r * cols] + 0);
      return data[r * cols];
    });
  });
}

const shuffled = async (
  sizes: number[],
  bufferRows: number,
  batchSize: number,
  seed: number,
  keepLast = true,
): Promise<Matrix[]> =>
  await Array.fromAsync(
    shuffleRows(numbered(sizes), { bufferRows, batchSize, seed, keepLast }),
  );

Deno.test("shuffleRows: every row comes out once, and a seed fixes the order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(20), { maxLength: 12 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 25 }),
      fc.maxSafeInteger(),
      async (sizes, bufferRows, batchSize, seed) => {
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const batches = await shuffled(sizes, bufferRows, batchSize, seed);
        const order = firstColumn(batches);
        assertEquals(order.toSorted((a, b) => a - b), [...Array(total).keys()]);
        assert(batches.slice(0, -1).every(({ rows }) => rows === batchSize));
        assertEquals(firstColumn(await shuffled(sizes, bufferRows, batchSize, seed)), order);
        // A row cannot leave before it came: at output i at most bufferRows + i + 1 rows were read.
        order.forEach((row, i) => assert(row <= bufferRows + i));
        const whole = await shuffled(sizes, bufferRows, batchSize, seed, false);
        assertEquals(firstColumn(whole), order.slice(0, total - total % batchSize));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("shuffleRows: seeds give different orders, and the first out are not the first in", async () => {
  const first = firstColumn(await shuffled([5000], 1000, 100, 1));
  const second = firstColumn(await shuffled([5000], 1000, 100, 2));
  assertNotEquals(first, second);
  const isIn = first.slice(0, 1000).filter((row) => row < 100).length;
  assert(isIn < 200, `${isIn} of the first 100 rows are among the first 1000`);
  assertNotEquals(first.slice(0, 100).toSorted((a, b) => a - b), [...Array(100).keys()]);
});

Deno.test("shuffleRows: with a buffer for all, every place is equally likely", async () => {
  const counts = new Array(16).fill(0);
  const runs = 4000;
  for (let seed = 0; seed < runs; seed++) {
    const order = firstColumn(await shuffled([4], 10, 4, seed));
    order.forEach((row, place) => counts[4 * row + place]++);
  }
  for (const count of counts) assert(Math.abs(count - runs / 4) < 5 * Math.sqrt(runs * 3 / 16));
});

Deno.test("shuffleRows: batches do not share memory", async () => {
  const batches = await shuffled([50], 8, 10, 1);
  assertEquals(new Set(batches.map(({ data }) => data.buffer)).size, 5);
  for (const { data } of batches) assertEquals(data.byteLength, data.buffer.byteLength);
});

Deno.test("shuffleRows: bad options and matrices", async () => {
  const options = { bufferRows: 4, batchSize: 2, seed: 1 };
  assertThrows(() => shuffleRows([], { ...options, bufferRows: 0 }), RangeError, "bufferRows is 0");
  assertThrows(
    () => shuffleRows([], { ...options, batchSize: 1.5 }),
    RangeError,
    "batchSize is 1.5",
  );
  assertThrows(() => shuffleRows([], { ...options, seed: NaN }), RangeError, "seed is NaN");
  const odd = [
    { data: new Float32Array(4), rows: 2, cols: 2 },
    { data: new Float32Array(6), rows: 2, cols: 3 },
  ];
  await assertRejects(
    () => Array.fromAsync(shuffleRows(odd, options)),
    Error,
    "a batch is [2, 3] with 6 elements, expected 2 columns",
  );
});
