import { assert, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import fc from "fast-check";
import { createBuffers, readIntegers } from "../../lib/device/buffer.ts";
import type { Gpu } from "../../lib/device/gpu.ts";

import { scanCounts } from "../../lib/ops/select.ts";
import { selectActive } from "../../lib/ops/select_active.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { createRandom } from "../../lib/random.ts";
import {
  build,
  NARROW,
  openGpu,
  putProduct,
  randomNumbers,
  readSparse,
  submit,
} from "../gpu_helper.ts";
import { drawSeed, howMany, someOf } from "../depth.ts";
import { keepLargest } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";

/** Selects of a matrix z and compares everything that is written with a sort. */
async function checkBatch(
  gpu: Gpu,
  z: Float32Array,
  { cols, wanted, name = "" }: { cols: number; wanted: number; name?: string },
) {
  using buffers = createBuffers(gpu);
  const rows = z.length / cols;
  const step = buffers.uniform("step", layOutStep({ step: 9 }));
  const lastActive = buffers.from("last active", new Uint32Array(cols).fill(4));
  const stats = buffers.zeros("stats", 3);
  const out = createSparseRows(buffers, rows, wanted);
  const given = { ...putProduct(gpu, buffers, z, cols), out, step, lastActive, stats };
  const operations = await build(
    gpu,
    buffers,
    (p) => void selectActive(p, { ...given, rule: { by: "batch", wanted } }),
  );
  submit(gpu, operations);
  // Twice: nothing of the first run may be left in the scratch buffers.
  submit(gpu, operations, [stats]);

  const mask = keepLargest(z, wanted);
  const expected = toSparse(z, mask, cols);
  assertEquals(await readSparse(gpu, out), expected, name);
  const active = Array.from({ length: cols }, (_, i) => expected.latents.includes(i) ? 9 : 4);
  assertEquals([...await readIntegers(gpu, lastActive, cols)], active, `${name}: last active`);
  const [bad, smallest, dead] = await readIntegers(gpu, stats, 3);
  assertEquals([bad, dead], [0, 0]);
  const least = Math.min(...expected.values);
  const bits = new Uint32Array(Float32Array.of(least).buffer)[0];
  assertEquals(smallest, expected.values.length === 0 ? 0 : ~bits >>> 0, `${name}: smallest kept`);
}

/** Numbers above zero and zeros, `share` of them above. */
function positives(seed: number, length: number, share = 0.5): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.uniform() < share ? random.uniform() : 0);
}

const TINY = 2 ** -149;
const MAX = (2 - 2 ** -23) * 2 ** 127;

Deno.test("a selection of the batch keeps the n·k largest numbers of any matrix, ties by row and latent", async () => {
  // Few different numbers make many ties; the extremes of float32 reach every digit.
  const palettes = [
    [0, 1],
    [0, 0.5, 0.5, 2, 3],
    [0, TINY, 2 * TINY, 2 ** -126, MAX, MAX / 2, 1, 1 + 2 ** -23],
    [],
  ];
  using gpu = await openGpu(NARROW);
  const shape = fc.record({
    // Each number of rows is a width, which compiles kernels of its own.
    rows: fc.constantFrom(1, 3, 16, 39),
    cols: fc.integer({ min: 1, max: 140 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    palette: fc.constantFrom(...palettes),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ rows, cols, share, palette, seed }) => {
      const random = createRandom(seed);
      const z = Float32Array.from(
        { length: rows * cols },
        () => palette.length ? palette[random.below(palette.length)] : random.uniform(),
      );
      const wanted = Math.max(1, Math.round(share * rows * cols));
      await checkBatch(gpu, z, { cols, wanted });
    }),
    { numRuns: howMany(12, 40), seed: drawSeed() },
  );
});

Deno.test("a selection of the batch at its edges", async () => {
  using gpu = await openGpu(NARROW);
  const some = positives(1, 37 * 130);
  const count = some.filter((value) => value > 0).length;
  assert(count > 1000 && count < some.length);
  const check = (z: Float32Array, cols: number, wanted: number, name: string) =>
    checkBatch(gpu, z, { cols, wanted, name });
  await check(some, 130, 100, "three blocks");
  await check(some, 130, count, "as many as there are");
  await check(some, 130, count - 1, "all but one");
  await check(some, 130, count + 1, "one more than there are");
  await check(some, 130, some.length, "k·n is everything");
  await check(some, 130, 1, "one");
  await check(new Float32Array(300), 60, 30, "all zero");
  const ones = new Float32Array(37 * 130).fill(1);
  await check(ones, 130, ones.length, "all equal, all kept");
  // 15 rows a block: the cut runs through the second block, in the middle of a row.
  await check(ones, 130, 20 * 130 + 64, "all equal, cut in the second block");
  await check(ones, 130, 15 * 130, "all equal, cut between two blocks");
  await check(ones.map((one, at) => at % 7 ? one : 2), 130, 2000, "two levels");
  await check(Float32Array.of(0.5), 1, 1, "one number");
  await check(Float32Array.of(0), 1, 1, "one zero");
  await check(positives(2, 600), 600, 17, "one row");
  await check(positives(3, 600), 1, 17, "one latent");
  const subnormal = Float32Array.from({ length: 900 }, (_, at) => ((at * 7) % 31) * TINY);
  await check(subnormal, 30, 333, "subnormal numbers");
  const close = Float32Array.from({ length: 900 }, (_, at) => 1 + ((at * 11) % 64) * 2 ** -23);
  await check(close, 30, 450, "numbers that differ in their last bits");
  const huge = randomNumbers(4, 900).map((value) => Math.abs(value) * MAX);
  await check(huge, 30, 77, "huge numbers");
});

Deno.test("scanCounts adds up from any row on", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  for (const [first, length] of [[0, 1], [0, 5], [3, 4], [0, 256], [0, 257], [100, 1000]]) {
    const numbers = Uint32Array.from({ length: first + length }, (_, at) => (at * 37) % 11);
    const counts = buffers.from("counts", numbers);
    const offsets = new Uint32Array(first + length + 1).fill(7);
    offsets[first] = 1000;
    const put = buffers.from("offsets", offsets);
    submit(gpu, [await build(gpu, buffers, (p) => scanCounts(p, counts, put, first, length))]);
    let total = 1000;
    for (let at = 0; at < length; at++) offsets[first + at + 1] = total += numbers[first + at];
    assertEquals([...await readIntegers(gpu, put, offsets.length)], [...offsets]);
  }
});

Deno.test("a selection of the batch in rows of several tiles of 2048 columns, ties across them", async () => {
  using gpu = await openGpu();
  for (const cols of someOf([2047, 2048, 2049, 2052, 5000], 2)) {
    const dense = positives(cols, 3 * cols);
    await checkBatch(gpu, dense, { cols, wanted: cols, name: `${cols} columns` });
    const ones = new Float32Array(3 * cols).fill(1);
    await checkBatch(gpu, ones, { cols, wanted: cols + 2040, name: `${cols} columns, all equal` });
    const levels = ones.map((one, at) => at % 5 ? one : 2);
    await checkBatch(gpu, levels, { cols, wanted: 2 * cols, name: `${cols} columns, two levels` });
  }
});
