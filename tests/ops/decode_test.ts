import { assert, assertEquals } from "@std/assert";
import { createBuffers, readFloats, writeBuffer } from "../../lib/device/buffer.ts";

import { squareRows, subtractDecoded } from "../../lib/ops/decode.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  putSparse,
  randomMatrix,
  randomSae,
  submit,
  TIGHT,
} from "../gpu_helper.ts";
import { minusDecoded } from "../oracles/dense.ts";
import { randomSparse, toDense } from "../oracles/sparse.ts";

const SHAPES = [[1, 1, 1], [2, 3, 7], [9, 48, 65], [7, 65, 130], [7, 130, 31], [20, 4, 300]];

Deno.test("subtractDecoded takes sparse reconstructions from a target", async () => {
  for await (const { device: gpu, options } of eachDevice([{}, TIGHT])) {
    for (const [n, d, m] of SHAPES) {
      for (const share of [0, 0.1, 1]) {
        using buffers = createBuffers(gpu);
        const plain = randomSparse({ seed: n + m, rows: n, cols: m, share, empty: [1] });
        if (options === TIGHT && plain.values.length > 1024) continue;
        const sae = randomSae(d, d, m);
        const x = randomMatrix(3, n, d).data;
        const weights = uploadWeights(gpu, buffers, sae);
        if (options === TIGHT && d * m > 1024) assert(weights.shards.length > 1);
        const out = buffers.zeros("out", n * d);
        const target = buffers.from("target", x);
        const sparse = putSparse(gpu, buffers, plain);
        const operations = await build(gpu, buffers, (p) =>
          subtractDecoded(p, {
            rows: n,
            sparse,
            weights,
            target,
            out,
          }));
        submit(gpu, operations);
        // Again: what the first run left in `out` must not matter.
        submit(gpu, operations);
        const expected = minusDecoded(x, toDense(plain, m), sae.wDec, n, d, m);
        const actual = await readFloats(gpu, out, n * d);
        assertClose(actual, expected, `${n}×${d}×${m}, ${share}`);
        assertEquals([...await readFloats(gpu, target, n * d)], [...x]);
      }
    }
  }
});

Deno.test("subtractDecoded without a target takes the second half of the rows from the first", async () => {
  for await (const { device: gpu } of eachDevice([{}, TIGHT])) {
    for (const [n, d, m] of SHAPES.filter(([n, d]) => 8 * n * d <= 4096)) {
      using buffers = createBuffers(gpu);
      const plain = randomSparse({ seed: n + m, rows: 2 * n, cols: m, share: 0.05, empty: [n] });
      const sae = randomSae(d, d, m);
      const residual = randomMatrix(3, n, d).data;
      const weights = uploadWeights(gpu, buffers, sae);
      const out = buffers.zeros("out", 2 * n * d);
      const data = new Float32Array(2 * n * d).fill(9);
      data.set(residual);
      writeBuffer(gpu, out, data);
      const sparse = putSparse(gpu, buffers, plain);
      submit(
        gpu,
        await build(
          gpu,
          buffers,
          (p) => subtractDecoded(p, { rows: n, firstRow: n, sparse, weights, out }),
        ),
      );
      const a = toDense(plain, m).subarray(n * m);
      const expected = minusDecoded(residual, a, sae.wDec, n, d, m);
      assertClose(await readFloats(gpu, out, n * d, n * d), expected, `${n}×${d}×${m}`);
      assertEquals([...await readFloats(gpu, out, n * d)], [...residual]);
    }
  }
});

Deno.test("squareRows sums the squares of each row", async () => {
  for await (const { device: gpu } of eachDevice([NARROW])) {
    using buffers = createBuffers(gpu);
    for (const [rows, cols] of [[1, 1], [3, 65], [9, 64], [50, 130], [8, 3]]) {
      const { data } = randomMatrix(rows, rows, cols);
      const x = buffers.from("x", data);
      const squares = buffers.zeros("squares", rows);
      submit(gpu, [await build(gpu, buffers, (p) => squareRows(p, { rows, cols, x, squares }))]);
      const expected = Array.from(
        { length: rows },
        (_, r) =>
          data.subarray(r * cols, (r + 1) * cols).reduce((sum, value) => sum + value ** 2, 0),
      );
      assertClose(await readFloats(gpu, squares, rows), expected, `${rows}×${cols}`);
    }
  }
});
