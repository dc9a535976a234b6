import { assert, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import fc from "fast-check";
import { createBuffers, readIntegers } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import { selectTopK } from "../../lib/ops/select_rows.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { createRandom } from "../../lib/random.ts";
import {
  build,
  NARROW,
  onBothKinds,
  openGpu,
  putPreActivations,
  readSparse,
  submit,
} from "../gpu_helper.ts";
import { keepLargestOfRows } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";

/** Runs selectTopK and compares everything it writes with a sort. */
async function checkTopKOn(
  gpu: Device,
  z: Float32Array,
  { cols, wanted, rowsPerBlock = 15 }: { cols: number; wanted: number; rowsPerBlock?: number },
): Promise<number> {
  using buffers = createBuffers(gpu);
  const rows = z.length / cols;
  const step = buffers.uniform("step", layOutStep({ step: 9 }));
  const lastActive = buffers.from("last active", new Uint32Array(cols).fill(4));
  const stats = buffers.zeros("stats", 3);
  const out = createSparseRows(buffers, rows, rows * wanted);
  const put = putPreActivations(buffers, z, cols, rowsPerBlock);
  submit(
    gpu,
    await build(
      gpu,
      buffers,
      (p) => selectTopK(p, { z: put, wanted, out, step, lastActive, stats }),
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

const checkTopK = (gpu: Device, z: Float32Array, how: Parameters<typeof checkTopKOn>[2]) =>
  onBothKinds(gpu, (own) => checkTopKOn(own, z, how));

Deno.test("selectTopK keeps the k largest numbers of each row, ties by latent", async () => {
  using gpu = await openGpu(NARROW);
  const shape = fc.record({
    blocks: fc.integer({ min: 1, max: 3 }),
    rows: fc.integer({ min: 1, max: 30 }),
    cols: fc.integer({ min: 1, max: 140 }),
    wanted: fc.integer({ min: 1, max: 140 }),
    palette: fc.constantFrom([0, 1], [0, 0, 0, 0.5, 2], [0, 2 ** -149, 1, 3e38], []),
    seed: fc.nat(),
  });
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(shape, async ({ blocks, rows, cols, wanted, palette, seed }) => {
      const random = createRandom(seed);
      const z = Float32Array.from(
        { length: rows * cols },
        () => palette.length ? palette[random.below(palette.length)] : random.uniform() - 0.3,
      ).map((value) => Math.max(0, value));
      const rowsPerBlock = Math.ceil(rows / blocks);
      kept += await checkTopK(gpu, z, { cols, wanted: Math.min(wanted, cols), rowsPerBlock });
    }),
    { numRuns: 30, seed: 3 },
  );
  assert(kept > 100);
});

Deno.test("selectTopK in rows of several tiles of 2048 columns, ties across them", async () => {
  using gpu = await openGpu();
  for (const cols of [2049, 4100]) {
    const random = createRandom(cols);
    const z = Float32Array.from({ length: 2 * cols }, () => random.below(4));
    for (const wanted of [1, 64, cols / 4 + 40 | 0, cols]) {
      await checkTopK(gpu, z, { cols, wanted });
    }
  }
});
