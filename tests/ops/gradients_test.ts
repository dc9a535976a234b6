import { assert, assertEquals } from "@std/assert";
import { createBuffers, readFloats, readIntegers } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import {
  createSparseColumns,
  differentiateDecoderBias,
  differentiateEntries,
  sortByLatent,
  sumLatents,
} from "../../lib/ops/gradients.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  openGpu,
  putSparse,
  randomMatrix,
  randomNumbers,
  randomSae,
  submit,
  TIGHT,
} from "../gpu_helper.ts";
import { orderByLatent, type PlainSparse, randomSparse, rowsOf } from "../oracles/sparse.ts";

const SCALES = { main: -0.25, auxiliary: 3 };

Deno.test("differentiateEntries: factor · e · wDec of each entry's row and latent", async () => {
  const shapes = [[1, 1, 1], [2, 3, 7], [8, 48, 65], [6, 65, 130], [6, 130, 31], [20, 4, 300]];
  for await (const { device: gpu, options } of eachDevice([{}, TIGHT])) {
    for (const [rows, d, m] of shapes) {
      for (const [share, lanes] of [[0.02, 1], [0.02, 8], [0.3, 1], [0.3, 8]] as const) {
        using buffers = createBuffers(gpu);
        const plain = randomSparse({ seed: m, rows, cols: m, share, empty: [1] });
        if (options === TIGHT && plain.values.length > 1024) continue;
        const half = Math.ceil(rows / 2);
        const sae = randomSae(d, d, m);
        const e = randomMatrix(3, rows, d).data;
        const weights = uploadWeights(gpu, buffers, sae);
        const deltas = buffers.zeros("deltas", Math.max(1, plain.values.length));
        const operations = await build(gpu, buffers, (p) =>
          differentiateEntries(p, {
            sparse: putSparse(gpu, buffers, plain),
            weights,
            residual: buffers.from("residual", e),
            deltas,
            scales: { half, ...SCALES },
            lanes,
          }));
        submit(gpu, operations);
        const owners = rowsOf(plain);
        const expected = plain.latents.map((latent, at) => {
          let sum = 0;
          for (let c = 0; c < d; c++) sum += e[owners[at] * d + c] * sae.wDec[latent * d + c];
          return (owners[at] < half ? SCALES.main : SCALES.auxiliary) * sum;
        });
        const actual = await readFloats(gpu, deltas, plain.values.length);
        assertClose(actual, expected, `${rows}×${d}×${m}, ${share}, ${lanes} lanes`);
      }
    }
  }
});

/** Runs sortByLatent and sumLatents, compares them with a sort. */
async function checkSort(gpu: Device, plain: PlainSparse, m: number, name: string) {
  using buffers = createBuffers(gpu);
  const rows = plain.offsets.length - 1;
  const half = Math.floor(rows / 2);
  const own = randomNumbers(m, plain.values.length);
  const sparse = putSparse(gpu, buffers, plain);
  const columns = createSparseColumns(gpu, buffers, sparse, m);
  const gradient = buffers.zeros("encoder bias gradient", m);
  const deltas = buffers.from("deltas", own.length ? own : new Float32Array(1));
  const scales = { half, ...SCALES };
  const operations = [
    ...await build(
      gpu,
      buffers,
      (p) => sortByLatent(p, { sparse, deltas, columns, dictSize: m, scales }),
    ),
    await build(gpu, buffers, (p) => sumLatents(p, { columns, dictSize: m, gradient })),
  ];
  submit(gpu, operations);
  submit(gpu, operations, [columns.counts]);

  const order = orderByLatent(plain);
  const owners = rowsOf(plain);
  const offsets = [0];
  const sums = new Float64Array(m);
  for (let i = 0; i < m; i++) {
    offsets.push(offsets[i] + plain.latents.filter((latent) => latent === i).length);
  }
  plain.latents.forEach((latent, at) => sums[latent] += own[at]);
  assertEquals([...await readIntegers(gpu, columns.latentOffsets, m + 1)], offsets, name);
  assertEquals(
    [...await readIntegers(gpu, columns.rows, order.length)],
    order.map((at) => owners[at]),
    `${name}: rows`,
  );
  const factors = order.flatMap((at) => {
    const scale = owners[at] < half ? SCALES.main : SCALES.auxiliary;
    return [Math.fround(scale * plain.values[at]), own[at]];
  });
  assertEquals([...await readFloats(gpu, columns.factors, factors.length)], factors, name);
  assertClose(await readFloats(gpu, gradient, m), sums, `${name}: sums`);
  return columns.blocks;
}

Deno.test("sortByLatent is a stable transpose, sumLatents adds its columns", async () => {
  const cases: [number, number, number][] = [
    [1, 1, 1],
    [1, 9, 0],
    [2, 3, 0.5],
    [33, 130, 0.1],
    [100, 65, 0.3],
    [65, 2, 1],
    [130, 1, 1],
    [7, 1000, 0.1],
  ];
  for await (const { device } of eachDevice([{}, NARROW])) {
    for (const [rows, cols, share] of cases) {
      const plain = randomSparse({ seed: rows, rows, cols, share, empty: [3] });
      await checkSort(device, plain, cols, `${rows}×${cols}, ${share}`);
    }
  }
});

Deno.test("sortByLatent: more blocks of rows than workgroups in one dimension", async () => {
  const plain = randomSparse({ seed: 1, rows: 300, cols: 20, share: 0.2 });
  for await (const { device } of eachDevice([NARROW])) {
    assertEquals(await checkSort(device, plain, 20, "ten blocks"), 10);
  }
});

Deno.test("sortByLatent: fewer blocks where one buffer holds few counts", async () => {
  const plain = randomSparse({ seed: 1, rows: 300, cols: 400, share: 0.002 });
  using gpu = await openGpu(TIGHT);
  assertEquals(await checkSort(gpu, plain, 400, "two blocks"), 2);
});

Deno.test("differentiateDecoderBias sums residuals, and the encoder's rows where it subtracts", async () => {
  const shapes = [[1, 1, 1], [2, 3, 7], [65, 3, 130], [7, 48, 200], [7, 65, 63], [7, 130, 40]];
  for await (const { device: gpu, options } of eachDevice([{}, TIGHT])) {
    for (const [rows, d, m] of shapes) {
      for (const subtracts of [true, false]) {
        using buffers = createBuffers(gpu);
        const sae = randomSae(d, d, m);
        const e = randomMatrix(3, rows, d).data;
        const own = randomNumbers(4, m);
        const weights = uploadWeights(gpu, buffers, sae);
        if (options === TIGHT && d * m > 1024) assert(weights.shards.length > 1);
        const gradient = buffers.zeros("gradient", d);
        const operations = await build(gpu, buffers, (p) =>
          differentiateDecoderBias(p, {
            rows,
            residual: buffers.from("residual", e),
            scale: -0.5,
            weights,
            bEncGradient: subtracts ? buffers.from("encoder bias gradient", own) : undefined,
            gradient,
          }));
        submit(gpu, operations);
        const expected = new Float64Array(d);
        for (let at = 0; at < e.length; at++) expected[at % d] -= 0.5 * e[at];
        for (let at = 0; subtracts && at < m * d; at++) {
          expected[at % d] -= own[Math.floor(at / d)] * sae.wEnc[at];
        }
        const actual = await readFloats(gpu, gradient, d);
        assertClose(actual, expected, `${rows}×${d}×${m}, ${subtracts}`);
      }
    }
  }
});
