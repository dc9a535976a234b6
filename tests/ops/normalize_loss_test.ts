import { assertEquals } from "@std/assert";
import { createBuffers, readFloats } from "../../lib/device/buffer.ts";

import { divideByDeviation } from "../../lib/ops/normalize_loss.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  randomMatrix,
  randomNumbers,
  submit,
} from "../gpu_helper.ts";
import { sampleScales } from "../oracles/dense.ts";

Deno.test("divideByDeviation scales errors and their squares by the distance from the mean", async () => {
  for await (const { device: gpu } of eachDevice([{}, NARROW])) {
    for (const [rows, d] of [[1, 1], [1, 48], [2, 3], [9, 48], [64, 65], [130, 1], [300, 20]]) {
      using buffers = createBuffers(gpu);
      const x = randomMatrix(rows, rows, d).data.map((value) => value + 0.7);
      // Rows of the auxiliary loss behind the samples' own are left alone.
      const e = randomMatrix(3, rows + 1, d).data;
      const own = randomNumbers(4, rows + 1);
      const residual = buffers.from("residual", e);
      const squares = buffers.from("squares", own);
      const bound = { rows, dModel: d, x: buffers.from("batch", x), residual, squares };
      submit(gpu, await build(gpu, buffers, (p) => divideByDeviation(p, bound)));
      const scales = [...sampleScales(x, d, "input_deviation"), 1];
      const name = `${rows}×${d}`;
      assertClose(
        await readFloats(gpu, residual, e.length),
        e.map((value, at) => scales[Math.floor(at / d)] * value),
        name,
      );
      const expected = own.map((value, r) => scales[r] * value);
      assertClose(await readFloats(gpu, squares, own.length), expected, name);
      assertEquals(await readFloats(gpu, residual, d, rows * d), e.slice(rows * d));
    }
  }
});
