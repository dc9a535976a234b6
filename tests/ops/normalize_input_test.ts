import { assert, assertEquals } from "@std/assert";
import { createBuffers, readFloats, readIntegers } from "../../lib/device/buffer.ts";

import { normalizeBatch, scaleErrors } from "../../lib/ops/normalize_input.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  openGpu,
  randomMatrix,
  randomNumbers,
  submit,
} from "../gpu_helper.ts";
import { normalizeRows } from "../oracles/normalize_input.ts";

const KINDS = [
  { inputNormalization: "layer_norm" },
  { inputNormalization: "constant_norm_rescale" },
  { inputNormalization: "expected_average_only_in", inputScale: 0.3 },
] as const;

/** Rows of unlike size with a mean; every fourth is zero, every fifth constant. */
function makeRows(rows: number, cols: number) {
  const x = randomMatrix(rows, rows, cols);
  x.data.forEach((value, at) => {
    const row = Math.floor(at / cols);
    const size = 10 ** (row % 3 - 1);
    x.data[at] = row % 4 === 3 ? 0 : row % 5 === 4 ? size : (value + 0.5) * size;
  });
  return x;
}

Deno.test("normalizeBatch agrees with the oracle, scaleErrors takes errors back", async () => {
  for await (const { device: gpu } of eachDevice([{}, NARROW])) {
    for (const normalization of KINDS) {
      for (const [rows, cols] of [[1, 1], [5, 1], [1, 130], [70, 3], [9, 64], [40, 65]]) {
        using buffers = createBuffers(gpu);
        const plain = makeRows(rows, cols);
        const x = buffers.from("x", plain.data);
        const scale = buffers.zeros("scale", rows);
        const stats = buffers.zeros("stats", 3);
        submit(
          gpu,
          await build(gpu, buffers, (p) =>
            normalizeBatch(p, {
              ...{ normalization, rows, dModel: cols, x, scale, stats },
            })),
        );
        const wanted = normalizeRows(normalization, plain);
        const name = `${normalization.inputNormalization} ${rows}×${cols}`;
        const actual = await readFloats(gpu, x, rows * cols);
        assertClose(await readFloats(gpu, scale, rows), wanted.scale, `${name}: scale`, 1e-6);
        for (let r = 0; r < rows; r++) {
          const own = (data: ArrayLike<number>) => Array.from(data).slice(r * cols, (r + 1) * cols);
          const constant = r % 4 === 3 || r % 5 === 4 || cols === 1;
          // What float32 leaves of a constant row is rounding noise over 1e-5.
          if (constant && normalization.inputNormalization === "layer_norm") {
            assert(own(actual).every((value) => Math.abs(value) < 0.1), name);
          } else assertClose(own(actual), own(wanted.x), `${name}, row ${r}`, 1e-5);
        }
        assertEquals([...await readIntegers(gpu, stats, 3)], [0, 0, 0], name);
        const epsilon = normalization.inputNormalization === "layer_norm" ? 1e-5 : 0;
        const some = randomNumbers(rows, rows * cols);
        const errors = buffers.from("errors", some);
        const scaled = { rows, cols, errors, input: x, scale, epsilon };
        submit(gpu, [await build(gpu, buffers, (p) => scaleErrors(p, scaled))]);
        const back = some.map((error, at) => {
          const [s, o] = [wanted.scale, wanted.outputScale].map((all) =>
            all[Math.floor(at / cols)]
          );
          return s * actual[at] - o * (actual[at] - error);
        });
        assertClose(await readFloats(gpu, errors, rows * cols), back, `${name}: back`, 1e-6);
      }
    }
  }
});

Deno.test("normalizeBatch names the first number that is not finite and makes zeros of its row", async () => {
  for await (const { device: gpu } of eachDevice()) {
    for (const normalization of KINDS) {
      using buffers = createBuffers(gpu);
      const plain = randomMatrix(1, 6, 70);
      for (const at of [3 * 70 + 69, 3 * 70 + 66, 5 * 70]) {
        plain.data[at] = at % 2 ? NaN : -Infinity;
      }
      const x = buffers.from("x", plain.data);
      const scale = buffers.zeros("scale", 6);
      const stats = buffers.zeros("stats", 3);
      submit(
        gpu,
        await build(gpu, buffers, (p) =>
          normalizeBatch(p, {
            ...{ normalization, rows: 6, dModel: 70, x, scale, stats },
          })),
      );
      assertEquals(~(await readIntegers(gpu, stats, 1))[0] >>> 0, 3 * 70 + 66);
      const normalized = await readFloats(gpu, x, 420);
      for (const row of [3, 5]) {
        assert(normalized.subarray(row * 70, (row + 1) * 70).every((value) => value === 0));
      }
      assert(normalized.subarray(4 * 70, 5 * 70).every((value) => value !== 0));
      assert((await readFloats(gpu, scale, 6)).every(Number.isFinite));
    }
  }
});

Deno.test("no normalisation is no work", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const x = buffers.zeros("x", 4);
  const shared = { rows: 2, dModel: 2, x, scale: x, stats: x };
  const normalization = { inputNormalization: "none" } as const;
  assertEquals(
    await build(gpu, buffers, (p) => normalizeBatch(p, { normalization, ...shared })),
    [],
  );
});
