// The dense products over rows, by themselves; whole steps are in tests/training/ragged_test.ts.
import { assertEquals } from "@std/assert";
import { denseColumns } from "../../kernels/dense_columns.ts";
import { TILE } from "../../kernels/dense_tiled.ts";
import { storeScaled, subtract } from "../../kernels/epilogues.ts";
import { createBuffers, readFloats } from "../../lib/device/buffer.ts";
import { bindsDensely } from "../../lib/ops/dense_on_gpu.ts";
import { assertClose, build, NARROW, openGpu, randomNumbers, submit } from "../gpu_helper.ts";

// [rows, cols, depth, first number of a row of x, numbers behind them]: within a tile, at its edge, beyond.
const SHAPES = [
  [1, 1, 1, 0, 0],
  [3, 5, 7, 2, 1],
  [129, 127, 9, 0, 3],
  [40, 260, 65, 5, 0],
  [4, 4, 4, 0, 0],
  [132, 128, 20, 4, 8],
  [256, 12, 8, 0, 4],
];

/** Σ over k of a[r, k] · w[k, c], or of a[k, r] · w[k, c]. */
function multiply(
  [rows, cols, depth, first, behind]: number[],
  x: Float32Array,
  w: Float32Array,
  transposed: boolean,
): Float64Array {
  const stride = first + (transposed ? rows : depth) + behind;
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < depth; k++) {
      const a = x[first + (transposed ? k * stride + r : r * stride + k)];
      for (let c = 0; c < cols; c++) out[r * cols + c] += a * w[k * cols + c];
    }
  }
  return out;
}

Deno.test("dense products over rows agree with plain sums, whatever lies beside the operands", async () => {
  using gpu = await openGpu(NARROW);
  for (const shape of SHAPES) {
    const [rows, cols, depth, first, behind] = shape;
    for (const transposed of [false, true]) {
      for (const vector of shape.every((size) => size % 4 === 0) ? [false, true] : [false]) {
        using buffers = createBuffers(gpu);
        const stride = first + (transposed ? rows : depth) + behind;
        const x = randomNumbers(1, stride * (transposed ? depth : rows));
        const w = randomNumbers(2, depth * cols);
        const expected = multiply(shape, x, w, transposed);
        // What is not theirs must not reach the sums.
        for (let at = 0; at < x.length; at++) {
          const inside = at % stride - first;
          if (inside < 0 || inside >= stride - first - behind) x[at] = Infinity;
        }
        const before = randomNumbers(3, rows * cols);
        const outs = ["scaled", "subtracted", "from a target"].map((label) =>
          buffers.from(label, before)
        );
        const bind = { x: buffers.from("x", x), w: buffers.from("w", w) };
        const sizes = { rows, cols, depth, xFirst: first, xStride: stride };
        const workgroups = Math.ceil(rows / TILE) * Math.ceil(cols / TILE);
        const operation = await build(gpu, buffers, (p) => {
          const own = { transposed, vector };
          p.kernel(denseColumns({ ...own, epilogue: storeScaled }), {
            sizes: { ...sizes, stride: cols, first: 0, scale: -0.5 },
            bind: { ...bind, out: outs[0] },
            workgroups,
          });
          p.kernel(denseColumns({ ...own, epilogue: subtract({ targets: false }) }), {
            sizes,
            bind: { ...bind, out: outs[1] },
            workgroups,
          });
          p.kernel(denseColumns({ ...own, epilogue: subtract({ targets: true }) }), {
            sizes,
            bind: { ...bind, out: outs[2], minuend: buffers.from("target", before) },
            workgroups,
          });
        });
        submit(gpu, operation);
        const name = `${shape}${transposed ? " transposed" : ""}${vector ? " vector" : ""}`;
        const wanted = [
          expected.map((sum) => -0.5 * sum),
          ...Array(2).fill(expected.map((sum, at) => before[at] - sum)),
        ];
        for (const [at, out] of outs.entries()) {
          const found = await readFloats(gpu, out, rows * cols);
          assertClose(found, wanted[at], `${name}, ${out.label}`, 1e-5);
        }
      }
    }
  }
  gpu.check();
});

Deno.test("there is no dense way where all latents of all samples do not fit into one binding", async () => {
  using gpu = await openGpu({ limits: { maxStorageBufferBindingSize: 4096 } });
  assertEquals([bindsDensely(gpu, 8, 128), bindsDensely(gpu, 9, 128)], [true, false]);
  // The sums of up to 64 samples take as much as 4 samples.
  assertEquals([bindsDensely(gpu, 2, 256), bindsDensely(gpu, 2, 300)], [true, false]);
});
