import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import { createBuffers, readFloats } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import { updateLatents, updateVector } from "../../lib/ops/adam.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  randomMatrix,
  randomNumbers,
  submit,
} from "../gpu_helper.ts";
import { adamStep, normalizeRows, removeParallel } from "../oracles/adam.ts";
import { orderByLatent, randomSparse, rowsOf } from "../oracles/sparse.ts";

const ADAM = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

/** The step's uniform, as training writes it. */
function stepWords(step: number): Uint32Array {
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  return layOutStep({ step, rate, correction, beta1, beta2, epsilon });
}

Deno.test("updateVector is a step of Adam; a frozen run is left alone", async () => {
  for await (const { device: gpu } of eachDevice([NARROW])) {
    for (const length of [1, 3, 64, 65, 1000]) {
      for (const frozen of [false, true]) {
        using buffers = createBuffers(gpu);
        const step = 7;
        const start = {
          value: randomNumbers(1, length),
          first: randomNumbers(2, length),
          second: randomNumbers(3, length).map((value) => value ** 2),
        };
        const gradient = randomNumbers(4, length);
        const put = {
          value: buffers.from("value", start.value),
          first: buffers.from("first", start.first),
          second: buffers.from("second", start.second),
        };
        const operation = await build(gpu, buffers, (p) =>
          updateVector(p, {
            length,
            value: put.value,
            gradient: buffers.from("gradient", gradient),
            moments: put,
            step: buffers.uniform("step", stepWords(step)),
            frozen: buffers.from("frozen", Uint32Array.of(frozen ? 1 : 0)),
          }));
        submit(gpu, [operation]);
        const expected = {
          value: Float64Array.from(start.value),
          first: Float64Array.from(start.first),
          second: Float64Array.from(start.second),
        };
        if (!frozen) adamStep(expected.value, gradient, expected, step, ADAM);
        for (const name of ["value", "first", "second"] as const) {
          const actual = await readFloats(gpu, put[name], length);
          assertClose(actual, expected[name], `${length} ${name}`, frozen ? 0 : 1e-5);
        }
      }
    }
  }
});

/** One update of a shard of latents, on the GPU and by the oracle. */
async function checkLatents(
  gpu: Device,
  { rows, d, m, decoder, frozen = false }: {
    rows: number;
    d: number;
    m: number;
    decoder: boolean;
    frozen?: boolean;
  },
) {
  using buffers = createBuffers(gpu);
  const step = 3;
  // The shard begins at latent 2 of m + 3; its latent 0 is never active, nor is the last one. The CPU has
  // no shards.
  const [first, cols] = [gpu.kind === "cpu" ? 0 : 2, m + 3];
  const plain = randomSparse({ seed: m, rows: 2 * rows, cols, share: 0.3 });
  const active = (latent: number) => m === 1 || (latent !== first && latent !== first + m - 1);
  const order = orderByLatent(plain).filter((at) => active(plain.latents[at]));
  const owners = rowsOf(plain);
  const offsets = [0];
  for (let i = 0; i < cols; i++) {
    offsets.push(offsets[i] + order.filter((at) => plain.latents[at] === i).length);
  }
  const factors = randomNumbers(5, 2 * order.length);
  const source = randomMatrix(6, decoder ? 2 * rows : rows, d).data;
  const w = randomNumbers(7, m * d);
  const start = {
    first: randomNumbers(8, m * d, 0.1),
    second: randomNumbers(9, m * d, 0.1).map((value) => value ** 2),
  };
  const moments = {
    first: buffers.from("first", start.first),
    second: buffers.from("second", start.second),
  };
  const put = buffers.from("w", w);
  const operation = await build(gpu, buffers, (p) =>
    updateLatents(p, {
      dModel: d,
      decoder,
      first,
      latents: m,
      half: rows,
      w: put,
      moments,
      source: buffers.from("source", source),
      columns: {
        latentOffsets: buffers.from("latent offsets", Uint32Array.from(offsets)),
        rows: buffers.from("rows", Uint32Array.from([...order.map((at) => owners[at]), 0])),
        factors: buffers.from("factors", Float32Array.from([...factors, 0, 0])),
        counts: put,
        blocks: 1,
      },
      step: buffers.uniform("step", stepWords(step)),
      frozen: buffers.from("frozen", Uint32Array.of(frozen ? 1 : 0)),
    }));
  submit(gpu, [operation]);

  const gradient = new Float64Array(m * d);
  order.forEach((entry, at) => {
    const latent = plain.latents[entry] - first;
    if (latent < 0 || latent >= m) return;
    const row = decoder ? owners[entry] : owners[entry] % rows;
    const factor = factors[2 * at + (decoder ? 0 : 1)];
    for (let c = 0; c < d; c++) gradient[latent * d + c] += factor * source[row * d + c];
  });
  const expected = {
    w: Float64Array.from(w),
    first: Float64Array.from(start.first),
    second: Float64Array.from(start.second),
  };
  if (!frozen) {
    if (decoder) removeParallel(gradient, expected.w, d);
    adamStep(expected.w, gradient, expected, step, ADAM);
    if (decoder) normalizeRows(expected.w, d);
  }
  const name = `${decoder ? "decoder" : "encoder"} ${rows}×${d}×${m}`;
  const bound = frozen ? 0 : 1e-4;
  const after = await readFloats(gpu, put, m * d);
  assertClose(after, expected.w, `${name} w`, bound);
  assertClose(await readFloats(gpu, moments.first, m * d), expected.first, `${name} m`, bound);
  assertClose(await readFloats(gpu, moments.second, m * d), expected.second, `${name} v`, bound);
  return { before: w, after, first: start.first, second: start.second };
}

const SHAPES = [[1, 1, 1], [2, 3, 5], [9, 48, 20], [5, 65, 9], [4, 130, 8]];

Deno.test("updateLatents: encoder rows take a step of Adam, samples' inputs serve both losses", async () => {
  for await (const { device } of eachDevice([NARROW])) {
    for (const [rows, d, m] of SHAPES) await checkLatents(device, { rows, d, m, decoder: false });
  }
});

Deno.test("updateLatents: decoder rows lose the parallel part and end with norm 1", async () => {
  for await (const { device } of eachDevice([NARROW])) {
    // With d = 1 nothing but the parallel part is left: the oracle's own rounding decides the sign.
    for (const [rows, d, m] of SHAPES.slice(1)) {
      const { after } = await checkLatents(device, { rows, d, m, decoder: true });
      for (let i = 0; i < m; i++) {
        assertAlmostEquals(Math.hypot(...after.subarray(i * d, (i + 1) * d)), 1, 1e-6);
      }
    }
  }
});

Deno.test("updateLatents: a latent without samples still moves, by its decaying moments", async () => {
  for await (const { device } of eachDevice([NARROW])) {
    const d = 48;
    const { before, after } = await checkLatents(device, { rows: 9, d, m: 20, decoder: false });
    const moved = (i: number) =>
      after.subarray(i * d, (i + 1) * d).some((value, c) => value !== before[i * d + c]);
    assert(moved(0) && moved(19));
  }
});

Deno.test("updateLatents: a frozen run is left alone", async () => {
  for await (const { device } of eachDevice([NARROW])) {
    for (const decoder of [true, false]) {
      const { before, after } = await checkLatents(device, {
        rows: 4,
        d: 3,
        m: 5,
        decoder,
        frozen: true,
      });
      assertEquals([...after], [...before]);
    }
  }
});

Deno.test("updateLatents: a decoder row of zeros stays zero and finite", async () => {
  for await (const { device: gpu } of eachDevice()) {
    using buffers = createBuffers(gpu);
    const zeros = (length: number) => buffers.zeros("zeros", length);
    const w = zeros(6);
    const operation = await build(gpu, buffers, (p) =>
      updateLatents(p, {
        dModel: 3,
        decoder: true,
        first: 0,
        latents: 2,
        half: 1,
        w,
        moments: { first: zeros(6), second: zeros(6) },
        source: zeros(3),
        columns: {
          latentOffsets: zeros(3),
          rows: zeros(1),
          factors: zeros(2),
          counts: w,
          blocks: 1,
        },
        step: buffers.uniform("step", stepWords(1)),
        frozen: zeros(1),
      }));
    submit(gpu, [operation]);
    assertEquals([...await readFloats(gpu, w, 6)], [0, 0, 0, 0, 0, 0]);
  }
});
