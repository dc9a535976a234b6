import { assert, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import fc from "fast-check";
import { createBuffers, readIntegers, writeBuffer } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import { countAbove, writeAbove } from "../../lib/ops/select.ts";
import { listDeadLatents, selectDead } from "../../lib/ops/select_rows.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { createRandom } from "../../lib/random.ts";
import {
  build,
  eachDevice,
  NARROW,
  openGpu,
  presentAs,
  putPreActivations,
  putProduct,
  readSparse,
  submit,
} from "../gpu_helper.ts";
import { drawSeed, howMany, someOf } from "../depth.ts";
import { keepLargestOfRows } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";

const STEP = 20;
const DEAD_AFTER = 5;

/** Runs listDeadLatents and selectDead behind rows of other entries, and compares with a sort. */
async function checkDead(
  gpu: Device,
  z: Float32Array,
  { ages, wanted, name = "" }: {
    ages: number[];
    wanted: number;
    name?: string;
  },
) {
  using buffers = createBuffers(gpu);
  const cols = ages.length;
  const rows = z.length / cols;
  const step = buffers.uniform("step", layOutStep({ step: STEP }));
  const lastActive = buffers.from("last active", Uint32Array.from(ages, (age) => STEP - age));
  const stats = buffers.zeros("stats", 3);
  const out = createSparseRows(buffers, 2 * rows, rows * (wanted + 2));
  // The samples' own rows hold two entries each.
  writeBuffer(gpu, out.offsets, Uint32Array.from({ length: rows + 1 }, (_, r) => 2 * r));
  const encoding = putProduct(gpu, buffers, z, cols);
  const dead = buffers.zeros("dead", 1 + cols);
  const shared = { deadAfter: DEAD_AFTER, step, lastActive, stats };
  const stages = await build(gpu, buffers, (p) => {
    listDeadLatents(p, { latents: cols, dead, ...shared });
    selectDead(p, { encoding, rows, wanted, out, dead });
  });
  submit(gpu, stages);

  const oldest = [...ages.keys()].filter((i) => ages[i] >= DEAD_AFTER);
  assertEquals((await readIntegers(gpu, stats, 3))[2], oldest.length, `${name}: dead latents`);
  const expected = toSparse(z, keepLargestOfRows(z, cols, oldest, wanted), cols);
  const { offsets, latents, values } = await readSparse(gpu, out);
  assertEquals(offsets.slice(rows), expected.offsets.map((offset) => 2 * rows + offset), name);
  assertEquals(latents.slice(2 * rows), expected.latents, name);
  assertEquals(values.slice(2 * rows), expected.values, name);
  // Latents that only reconstruct residuals stay dead.
  assertEquals(
    [...await readIntegers(gpu, lastActive, cols)],
    ages.map((age) => STEP - age),
  );
  return expected.values.length;
}

Deno.test("selectDead keeps the largest numbers of dead latents in each row, ties by latent", async () => {
  using gpu = await openGpu(NARROW);
  const shape = fc.record({
    // Each number of rows is a width, which compiles kernels of its own.
    rows: fc.constantFrom(1, 3, 16, 29),
    cols: fc.integer({ min: 1, max: 140 }),
    wanted: fc.integer({ min: 1, max: 50 }),
    oldest: fc.integer({ min: 1, max: STEP }),
    palette: fc.constantFrom([0, 1], [0, 0, 0, 0.5, 2], [0, 2 ** -149, 1, 3e38], []),
    seed: fc.nat(),
  });
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(shape, async ({ rows, cols, wanted, oldest, palette, seed }) => {
      const random = createRandom(seed);
      const z = Float32Array.from(
        { length: rows * cols },
        () => palette.length ? palette[random.below(palette.length)] : random.uniform(),
      );
      const ages = Array.from({ length: cols }, () => random.below(oldest + 1));
      kept += await checkDead(gpu, z, { ages, wanted: Math.min(wanted, cols) });
    }),
    { numRuns: howMany(12, 40), seed: drawSeed() },
  );
  assert(kept > 20);
});

Deno.test("selectDead at its edges", async () => {
  using gpu = await openGpu(NARROW);
  const random = createRandom(3);
  const cols = 130;
  const z = Float32Array.from({ length: 37 * cols }, () => Math.max(0, random.uniform() - 0.5));
  const all = Array(cols).fill(STEP);
  const none = Array(cols).fill(DEAD_AFTER - 1);
  const check = (ages: number[], wanted: number, name: string, numbers = z) =>
    checkDead(gpu, numbers, { ages, wanted, name });
  assertEquals(await check(none, 16, "none dead"), 0);
  assertEquals(await check(all, 16, "all dead, never active"), 37 * 16);
  await check(all, cols, "as many as there are latents");
  await check(Array(cols).fill(DEAD_AFTER), 16, "dead since this batch");
  await check(none.with(129, DEAD_AFTER), 16, "one dead, the last");
  await check(none.map((age, i) => i % 3 ? age : STEP), 64, "fewer dead than wanted");
  await check(all, 16, "all zero", new Float32Array(3 * cols));
  const ones = new Float32Array(9 * cols).fill(1);
  await check(none.map((age, i) => i % 2 ? age : STEP), 20, "ties", ones);
  assertEquals(await check([STEP], 1, "one latent", Float32Array.of(1, 0, 2)), 2);
});

Deno.test("selectDead among more dead latents than a tile of 2048 holds", async () => {
  using gpu = await openGpu();
  const random = createRandom(4);
  const ages = Array.from({ length: 4500 }, () => random.below(4) ? STEP : 0);
  const z = Float32Array.from({ length: 2 * ages.length }, () => random.below(3));
  for (const wanted of someOf([1, 700, 2500, 4500], 2)) await checkDead(gpu, z, { ages, wanted });
});

Deno.test("listDeadLatents: one latent, many latents, the borderline", async () => {
  for await (const { device: gpu } of eachDevice()) {
    using buffers = createBuffers(gpu);
    const step = buffers.uniform("step", layOutStep({ step: STEP }));
    for (const latents of [1, 255, 257, 1000]) {
      for (const deadAfter of [1, 5, STEP, STEP + 1]) {
        const active = Uint32Array.from({ length: latents }, (_, i) => i % (STEP + 1));
        const lastActive = buffers.from("last active", active);
        const stats = buffers.from("stats", Uint32Array.of(1, 2, 3));
        const dead = buffers.zeros("dead", 1 + latents);
        const shared = { deadAfter, step, lastActive, stats, dead };
        submit(gpu, [await build(gpu, buffers, (p) => listDeadLatents(p, { latents, ...shared }))]);
        const oldest = [...active.keys()].filter((i) => STEP - active[i] >= deadAfter);
        const list = [oldest.length, ...oldest];
        assertEquals([...await readIntegers(gpu, dead, list.length)], list);
        assertEquals([...await readIntegers(gpu, stats, 3)], [1, 2, oldest.length]);
      }
    }
  }
});

Deno.test("countAbove and writeAbove keep what is above each latent's threshold, strictly", async () => {
  for (const options of [{}, NARROW]) {
    using adapter = await openGpu(options);
    for (const kind of ["software", "hardware"] as const) {
      const gpu = presentAs(adapter, kind);
      for (const [rows, cols] of [[1, 1], [1, 130], [37, 130], [40, 3], [5, 64]]) {
        using buffers = createBuffers(gpu);
        const random = createRandom(rows + cols);
        // Eighths, so that many numbers are equal to their threshold; some thresholds are below zero.
        const z = Float32Array.from(
          { length: rows * cols },
          () => Math.max(0, random.below(16) - 8) / 8,
        );
        const limits = Float32Array.from({ length: cols }, () => (random.below(6) - 1) / 8);
        const put = putPreActivations(buffers, z, cols, 16);
        const threshold = buffers.from("threshold", limits);
        const out = createSparseRows(buffers, rows, rows * cols);
        submit(gpu, [
          ...await build(gpu, buffers, (p) => countAbove(p, { z: put, threshold, ...out })),
          ...await build(gpu, buffers, (p) => writeAbove(p, { z: put, threshold, out })),
        ]);
        const mask = z.map((value, at) => value > 0 && value > limits[at % cols] ? 1 : 0);
        assertEquals(await readSparse(gpu, out), toSparse(z, mask, cols), `${rows}×${cols}`);
      }
    }
  }
});

Deno.test("writeAbove without enough room writes what fits and nothing behind it", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const [rows, cols] = [5, 70];
  const z = Float32Array.from({ length: rows * cols }, (_, at) => 1 + at % 9);
  const put = putPreActivations(buffers, z, cols, 16);
  const threshold = buffers.from("threshold", new Float32Array(cols));
  const whole = createSparseRows(buffers, rows, rows * cols);
  const out = { ...whole, capacity: 100 };
  submit(gpu, [
    ...await build(gpu, buffers, (p) => countAbove(p, { z: put, threshold, ...out })),
    ...await build(gpu, buffers, (p) => writeAbove(p, { z: put, threshold, out })),
  ]);
  // The offsets say how much room it takes.
  assertEquals((await readIntegers(gpu, out.offsets, rows + 1))[rows], rows * cols);
  const values = [...await readIntegers(gpu, out.values, rows * cols)];
  const bits = new Uint32Array(z.buffer);
  assertEquals(values, [...bits].map((word, at) => at < 100 ? word : 0));
});
