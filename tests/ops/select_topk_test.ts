import { assert, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import fc from "fast-check";
import { createBuffers, readIntegers } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import { selectActive } from "../../lib/ops/select_active.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { createRandom } from "../../lib/random.ts";
import { build, NARROW, openGpu, putProduct, readSparse, submit } from "../gpu_helper.ts";
import { drawSeed, howMany } from "../depth.ts";
import { keepLargestOfRows } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";

/** Selects of each row of a matrix and compares everything it writes with a sort. */
async function checkTopK(
  gpu: Device,
  z: Float32Array,
  { cols, wanted }: { cols: number; wanted: number },
): Promise<number> {
  using buffers = createBuffers(gpu);
  const rows = z.length / cols;
  const step = buffers.uniform("step", layOutStep({ step: 9 }));
  const lastActive = buffers.from("last active", new Uint32Array(cols).fill(4));
  const stats = buffers.zeros("stats", 3);
  const out = createSparseRows(buffers, rows, rows * wanted);
  const given = { ...putProduct(gpu, buffers, z, cols), out, step, lastActive, stats };
  submit(
    gpu,
    await build(
      gpu,
      buffers,
      (p) => void selectActive(p, { ...given, rule: { by: "row", wanted } }),
    ),
  );

  const latents = Array.from({ length: cols }, (_, i) => i);
  const expected = toSparse(z, keepLargestOfRows(z, cols, latents, wanted), cols);
  assertEquals(await readSparse(gpu, out), expected);
  const active = latents.map((i) => expected.latents.includes(i) ? 9 : 4);
  assertEquals([...await readIntegers(gpu, lastActive, cols)], active);
  const least = Math.min(...expected.values);
  const bits = new Uint32Array(Float32Array.of(least).buffer)[0];
  const smallest = (await readIntegers(gpu, stats, 3))[1];
  assertEquals(smallest, expected.values.length === 0 ? 0 : ~bits >>> 0);
  return expected.values.length;
}

Deno.test("a selection of each row keeps the k largest numbers of each row, ties by latent", async () => {
  using gpu = await openGpu(NARROW);
  const shape = fc.record({
    // Each number of rows is a width, which compiles kernels of its own.
    rows: fc.constantFrom(1, 3, 16, 29),
    cols: fc.integer({ min: 1, max: 140 }),
    wanted: fc.integer({ min: 1, max: 140 }),
    palette: fc.constantFrom([0, 1], [0, 0, 0, 0.5, 2], [0, 2 ** -149, 1, 3e38], []),
    seed: fc.nat(),
  });
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(shape, async ({ rows, cols, wanted, palette, seed }) => {
      const random = createRandom(seed);
      const z = Float32Array.from(
        { length: rows * cols },
        () => palette.length ? palette[random.below(palette.length)] : random.uniform() - 0.3,
      ).map((value) => Math.max(0, value));
      kept += await checkTopK(gpu, z, { cols, wanted: Math.min(wanted, cols) });
    }),
    { numRuns: howMany(10, 30), seed: drawSeed() },
  );
  assert(kept > 20);
});

Deno.test("a selection of each row in rows of several tiles of 2048 columns, ties across them", async () => {
  using gpu = await openGpu();
  for (const cols of [2049, 4100]) {
    const random = createRandom(cols);
    const z = Float32Array.from({ length: 2 * cols }, () => random.below(4));
    for (const wanted of [1, 64, cols / 4 + 40 | 0, cols]) {
      await checkTopK(gpu, z, { cols, wanted });
    }
  }
});
