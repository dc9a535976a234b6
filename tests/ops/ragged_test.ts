import { assert, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import {
  type BufferSet,
  createBuffers,
  readFloats,
  readIntegers,
  writeBuffer,
} from "../../lib/device/buffer.ts";
import type { Factors } from "../../kernels/dense_tiled.ts";
import type { Device } from "../../lib/device/device.ts";

import {
  createSparseColumns,
  differentiateDecoderBias,
  differentiateEntries,
  sortByLatent,
  sumLatents,
} from "../../lib/ops/gradients.ts";
import { differentiateThresholds, selectRagged } from "../../lib/ops/ragged.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import {
  assertClose,
  build,
  eachDevice,
  openGpu,
  putProduct,
  randomMatrix,
  randomNumbers,
  randomSae,
  readSparse,
  submit,
  TIGHT,
} from "../gpu_helper.ts";
import { combinations, combinationsOn } from "../depth.ts";
import { toSparse } from "../oracles/sparse.ts";
import { ALL } from "./screened_helper.ts";

const SHAPES = [[1, 1, 1], [2, 3, 7], [8, 48, 64], [6, 65, 130], [20, 1, 4], [65, 48, 1]];
const [MAIN, PENALTY] = [-0.25, 0.125];

/** Pre-activations after ReLU: zeros, numbers of size 1 and some equal ones. */
const makeZ = (seed: number, length: number, share: number) =>
  randomNumbers(seed, length).map((value) =>
    value < 1 - 2 * share ? 0 : value > 0.9 ? 0.5 : Math.abs(value)
  );

/** What selectRagged reads and writes, for z of [rows, cols]. */
function prepare(
  device: Device,
  buffers: BufferSet,
  z: Float32Array,
  cols: number,
  bandwidth?: number,
) {
  const rows = z.length / cols;
  // From far below half the bandwidth to above most of z.
  const log = randomNumbers(7, cols, 2.5).map((value) => value - 1.5);
  const theta = buffers.zeros("theta", cols);
  return {
    ...putProduct(device, buffers, z, cols),
    factors: "int8" as Factors,
    out: createSparseRows(buffers, rows, rows * cols),
    penalties: buffers.zeros("penalties", rows),
    step: buffers.uniform("step", layOutStep({ step: 9 })),
    lastActive: buffers.from("last active", new Uint32Array(cols).fill(4)),
    stats: buffers.zeros("stats", 3),
    ...(bandwidth === undefined
      ? {}
      : { jump: { logTheta: buffers.from("log theta", log), theta, bandwidth } }),
    log,
  };
}

/** Selects on a GPU; on the CPU, which has no pre-activations, puts what the selection would leave there. */
async function selectPut(
  device: Device,
  buffers: BufferSet,
  z: Float32Array,
  put: ReturnType<typeof prepare>,
): Promise<void> {
  if (device.kind === "gpu") {
    submit(device, await build(device, buffers, (p) => void selectRagged(p, put)));
    return;
  }
  const cols = put.log.length;
  const theta = put.jump ? put.log.map(Math.exp) : new Float32Array(cols);
  const half = (put.jump?.bandwidth ?? 0) / 2;
  const mask = z.map((value, at) => value > 0 && value > theta[at % cols] - half ? 1 : 0);
  const f = z.map((value, at) => value > theta[at % cols] ? value : 0);
  const { offsets, latents, values } = toSparse(f, mask, cols);
  writeBuffer(device, put.out.offsets, Uint32Array.from(offsets));
  writeBuffer(device, put.out.latents, Uint32Array.from(latents));
  writeBuffer(device, put.out.values, Float32Array.from(values));
  if (put.jump) writeBuffer(device, put.jump.theta, theta);
}

Deno.test("selectRagged keeps what is above 0 or θ, and what lies in the window below θ", async () => {
  for (const options of [{}, TIGHT]) {
    using gpu = await openGpu(options);
    const cases = combinations(
      {
        shape: options === TIGHT ? SHAPES.slice(2, 4) : SHAPES,
        share: [0, 0.1, 1],
        bandwidth: [10, undefined, 0.001, 0.4],
        // Without room for candidates pre-activations are stored.
        how: [...ALL.flatMap((factors) => [{ factors }, { factors, most: 1 }]), {}],
      },
      (one) =>
        (one.share === 0) === (one.bandwidth === 10) &&
        (one.share === 0.1) === ("factors" in one.how),
    );
    for (const { shape: [rows, , cols], share, bandwidth, how } of cases) {
      using buffers = createBuffers(gpu);
      const name = `${rows}×${cols}, ${share}, ε ${bandwidth}`;
      const z = makeZ(rows, rows * cols, share);
      if (share === 1) z.forEach((value, at) => z[at] = value || 0.25);
      const put = prepare(gpu, buffers, z, cols, bandwidth);
      submit(
        gpu,
        await build(gpu, buffers, (p) => void selectRagged(p, { ...put, ...how })),
        [put.stats],
      );

      const theta = put.jump && await readFloats(gpu, put.jump.theta, cols);
      if (theta) assertClose(theta, Float64Array.from(put.log, Math.exp), name, 1e-6);
      const limit = (at: number) => theta ? theta[at % cols] : 0;
      const mask = z.map((value, at) =>
        value > 0 && value > limit(at) - (theta ? bandwidth! / 2 : 0) ? 1 : 0
      );
      const f = z.map((value, at) => value > limit(at) ? value : 0);
      assertEquals(await readSparse(gpu, put.out), { ...toSparse(f, mask, cols) }, name);
      const found = [...f.keys()].filter((at) => f[at] > 0);
      const active = [...Array(cols).keys()].map((i) =>
        found.some((at) => at % cols === i) ? 9 : 4
      );
      assertEquals([...await readIntegers(gpu, put.lastActive, cols)], active, name);
      const penalties = new Float64Array(rows);
      for (const at of found) penalties[Math.floor(at / cols)] += theta ? 1 : f[at];
      assertClose(await readFloats(gpu, put.penalties, rows), penalties, name, 1e-6);
      const least = found.reduce((low, at) => Math.min(low, f[at]), Infinity);
      const bits = new Uint32Array(Float32Array.of(least).buffer)[0];
      const smallest = (await readIntegers(gpu, put.stats, 2))[1];
      assertEquals(smallest, found.length === 0 ? 0 : ~bits >>> 0, name);
    }
  }
});

/** A step's uniform in which `share` of the sparsity loss holds. */
const stepWith = (buffers: BufferSet, share: number) =>
  buffers.uniform("step", layOutStep({ sparsity: share }));

Deno.test("differentiateThresholds: θ's straight-through gradient, zeros in the window included", async () => {
  let zeros = 0;
  let below = 0;
  for await (const { device: gpu, options } of eachDevice([{}, TIGHT])) {
    // One buffer holds eight bytes an entry, another the residual.
    const shape = SHAPES.filter(([rows, d, m]) =>
      options !== TIGHT || rows * m <= 512 && rows * d <= 1024
    );
    const threshold = [[0, 0.4], [0.3, 0.01], [0.3, 0.4], [1, 0.4], [0.5, 9]];
    const cases = combinationsOn(gpu, { shape, threshold });
    for (const { shape: [rows, d, m], threshold: [share, bandwidth] } of cases) {
      using buffers = createBuffers(gpu);
      const z = makeZ(m, rows * m, share);
      const put = prepare(gpu, buffers, z, m, bandwidth);
      const sae = randomSae(d, d, m);
      const e = randomMatrix(3, rows, d).data;
      const weights = uploadWeights(gpu, buffers, sae);
      if (options === TIGHT && d * m > 1024) assert(weights.shards.length > 1);
      const residual = buffers.from("residual", e);
      const deltas = buffers.zeros("deltas", rows * m);
      const columns = createSparseColumns(gpu, buffers, put.out, m);
      const outputGradient = buffers.zeros("output gradient", d);
      const gradient = buffers.zeros("gradient", m);
      const sums = buffers.zeros("encoder bias gradient", m);
      const scales = { half: rows, main: MAIN, auxiliary: 0 };
      const sparse = put.out;
      const jump = put.jump!;
      await selectPut(gpu, buffers, z, put);
      submit(gpu, [
        ...await build(gpu, buffers, (p) =>
          differentiateEntries(p, {
            sparse,
            weights,
            residual,
            deltas,
            scales,
          })),
        ...await build(
          gpu,
          buffers,
          (p) => sortByLatent(p, { sparse, deltas, columns, dictSize: m, scales }),
        ),
        ...await build(gpu, buffers, (p) =>
          differentiateDecoderBias(p, {
            rows,
            residual,
            scale: MAIN,
            weights,
            gradient: outputGradient,
          })),
        ...await build(gpu, buffers, (p) =>
          differentiateThresholds(p, {
            rows,
            jump,
            columns,
            weights,
            outputGradient,
            main: MAIN,
            penalty: PENALTY / 0.75,
            step: stepWith(buffers, 0.75),
            gradient,
          })),
        await build(gpu, buffers, (p) => sumLatents(p, { columns, dictSize: m, gradient: sums })),
      ], [columns.counts]);
      const expected = new Float64Array(m);
      const gated = new Float64Array(m);
      const theta = Float64Array.from(put.log, Math.exp);
      z.forEach((value, at) => {
        const [r, i] = [Math.floor(at / m), at % m];
        let g = 0;
        for (let c = 0; c < d; c++) g += MAIN * e[r * d + c] * sae.wDec[i * d + c];
        if (value > theta[i]) gated[i] += g;
        if (Math.abs((value - theta[i]) / bandwidth) >= 0.5) return;
        if (value === 0) zeros++;
        else if (value < theta[i]) below++;
        expected[i] -= theta[i] * (theta[i] * g + PENALTY) / bandwidth;
      });
      const name = `${rows}×${d}×${m}, ${share}, ε ${bandwidth}`;
      assertClose(await readFloats(gpu, gradient, m), expected, name, 1e-5);
      assertClose(await readFloats(gpu, sums, m), gated, `${name}: what is left`, 1e-5);
    }
  }
  assert(zeros > 500 && below > 100, `${zeros} zeros, ${below} below θ`);
});

Deno.test("differentiateEntries adds L1's gradient", async () => {
  for await (const { device: gpu } of eachDevice()) {
    for (const lanes of [1, 8] as const) {
      using buffers = createBuffers(gpu);
      const [rows, d, m] = [3, 5, 20];
      const z = makeZ(1, rows * m, 0.4);
      const put = prepare(gpu, buffers, z, m);
      await selectPut(gpu, buffers, z, put);
      const sae = randomSae(1, d, m);
      const deltas = buffers.zeros("deltas", rows * m);
      const shared = { sparse: put.out, weights: uploadWeights(gpu, buffers, sae), deltas, lanes };
      const residual = buffers.zeros("residual", rows * d);
      const step = stepWith(buffers, 0.25);
      const scales = { half: rows, main: MAIN, auxiliary: 0, sparsity: PENALTY };
      submit(gpu, [
        ...await build(
          gpu,
          buffers,
          (p) => differentiateEntries(p, { ...shared, residual, scales, step }),
        ),
      ]);
      const { values } = await readSparse(gpu, put.out);
      assert(values.length > 10);
      assertEquals(
        [...await readFloats(gpu, deltas, values.length)],
        values.map(() => PENALTY / 4),
      );
    }
  }
});
