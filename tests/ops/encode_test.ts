import { assert, assertEquals } from "@std/assert";
import { createBuffers, readFloats, readIntegers } from "../../lib/device/buffer.ts";

import { createPreActivations } from "../../lib/ops/pre_activations.ts";
import { centerBatch, encodeBatch } from "../../lib/ops/encode.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import {
  assertClose,
  build,
  eachDevice,
  openGpu,
  randomMatrix,
  randomNumbers,
  randomSae,
  readPreActivations,
  submit,
  TIGHT,
} from "../gpu_helper.ts";
import { center, preActivations } from "../oracles/dense.ts";

Deno.test("centerBatch subtracts the bias and notes the first number that is not finite", async () => {
  for await (const { device: gpu } of eachDevice([{}, TIGHT])) {
    using buffers = createBuffers(gpu);
    // 1023 numbers are four workgroups, 4 × 256 − 1.
    for (const [rows, d] of [[1, 1], [2, 3], [341, 3], [7, 130], [15, 65]]) {
      const { data } = randomMatrix(rows, rows, d);
      const bias = randomNumbers(5, d);
      const stats = buffers.zeros("stats", 3);
      const centered = buffers.zeros("centered", data.length);
      const x = buffers.from("x", data);
      const bDec = buffers.from("bias", bias);
      const operation = await build(gpu, buffers, (p) =>
        centerBatch(p, {
          rows,
          dModel: d,
          x,
          bDec,
          centered,
          stats,
        }));
      submit(gpu, [operation]);
      assertClose(await readFloats(gpu, centered, data.length), center(data, bias), `${rows}×${d}`);
      assertEquals([...await readIntegers(gpu, stats, 3)], [0, 0, 0]);
    }
  }
});

Deno.test("centerBatch notes NaN and both infinities wherever they are", async () => {
  for await (const { device: gpu } of eachDevice([TIGHT])) {
    using buffers = createBuffers(gpu);
    const [rows, d] = [12, 65];
    const bDec = buffers.from("bias", new Float32Array(d));
    const cases: [number, number][][] = [
      [[0, NaN]],
      [[rows * d - 1, Infinity]],
      [[300, -Infinity], [700, NaN]],
      [[256, NaN], [255, NaN], [779, Infinity]],
    ];
    for (const bad of cases) {
      const data = randomNumbers(1, rows * d, 1e30);
      for (const [at, value] of bad) data[at] = value;
      const stats = buffers.zeros("stats", 3);
      const centered = buffers.zeros("centered", data.length);
      const x = buffers.from("x", data);
      submit(gpu, [
        await build(
          gpu,
          buffers,
          (p) => centerBatch(p, { rows, dModel: d, x, bDec, centered, stats }),
        ),
      ]);
      const first = Math.min(...bad.map(([at]) => at));
      assertEquals(~(await readIntegers(gpu, stats, 1))[0] >>> 0, first);
    }
  }
});

Deno.test("encodeBatch agrees with its oracle: both kernels, any shape, shards and blocks", async () => {
  const shapes = [[1, 1, 1], [1, 3, 2], [9, 48, 65], [3, 65, 31], [141, 4, 137], [30, 130, 129]];
  for (const options of [{}, TIGHT]) {
    using gpu = await openGpu(options);
    const bytes = gpu.limits.maxStorageBufferBindingSize;
    for (const kernel of ["lanes", "tiled"] as const) {
      for (const [n, d, m] of shapes) {
        // x and the biases are never split.
        if (4 * n * d > bytes) continue;
        using buffers = createBuffers(gpu);
        const sae = randomSae(n + d + m, d, m);
        const x = randomMatrix(7, n, d).data;
        const weights = uploadWeights(gpu, buffers, sae);
        const z = createPreActivations(gpu, buffers, n, m);
        if (options === TIGHT && n * m > 1024) assert(z.blocks.length > 1);
        if (options === TIGHT && d * m > 1024) assert(weights.shards.length > 1);
        const input = buffers.from("x", x);
        submit(
          gpu,
          await build(gpu, buffers, (p) => encodeBatch(p, { input, weights, z, kernel })),
        );
        const expected = preActivations(x, sae.wEnc, sae.bEnc, n, d, m);
        const actual = await readPreActivations(gpu, z);
        assertClose(actual, expected, `${kernel} ${n}×${d}×${m}`);
        // Selections read the bits as whole numbers: a negative zero would be the largest of them.
        assert(actual.every((value) => value > 0 || Object.is(value, 0)));
      }
    }
  }
});

Deno.test("encodeBatch in lanes: several panels, parts of a batch and uniform buffers", async () => {
  // 16 rows of 1030, 2100 and 4100 numbers need two, four and eight uniform buffers of 64 KiB.
  const shapes = [[200, 80, 20], [18, 9, 520], [17, 1030, 300], [19, 2100, 10], [17, 4100, 5]];
  using gpu = await openGpu();
  for (const [n, d, m] of shapes) {
    using buffers = createBuffers(gpu);
    const sae = randomSae(n, d, m);
    const x = randomMatrix(7, n, d).data;
    const weights = uploadWeights(gpu, buffers, sae);
    const z = createPreActivations(gpu, buffers, n, m);
    const input = buffers.from("x", x);
    submit(
      gpu,
      await build(gpu, buffers, (p) => encodeBatch(p, { input, weights, z, kernel: "lanes" })),
    );
    const expected = preActivations(x, sae.wEnc, sae.bEnc, n, d, m);
    assertClose(await readPreActivations(gpu, z), expected, `${n}×${d}×${m}`);
  }
});

Deno.test("encodeBatch takes weights that are zero, and inputs all of whose sums are negative", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const [n, d, m] = [5, 3, 9];
  const x = randomMatrix(1, n, d).data.map(Math.abs);
  for (const kernel of ["lanes", "tiled"] as const) {
    for (const weight of [0, -0, -1]) {
      const sae = randomSae(1, d, m, {
        wEnc: new Float32Array(m * d).fill(weight),
        bEnc: new Float32Array(m).fill(-0),
      });
      const weights = uploadWeights(gpu, buffers, sae);
      const z = createPreActivations(gpu, buffers, n, m);
      const input = buffers.from("x", x);
      submit(gpu, await build(gpu, buffers, (p) => encodeBatch(p, { input, weights, z, kernel })));
      const actual = await readPreActivations(gpu, z);
      assertEquals(actual.filter((value) => !Object.is(value, 0)), [], `${kernel} ${weight}`);
    }
  }
});
