import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { layOutStep } from "../../kernels/prelude.ts";
import { createBuffers, readFloats, readIntegers } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";

import { clipGradients } from "../../lib/ops/clip_gradients.ts";
import { RECORD_WORDS } from "../../lib/ops/record.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import {
  assertClose,
  build,
  eachDevice,
  NARROW,
  openGpu,
  randomMatrix,
  randomNumbers,
  randomSae,
  submit,
  TIGHT,
} from "../gpu_helper.ts";
import { clipByNorm, removeParallel } from "../oracles/adam.ts";
import { orderByLatent, randomSparse, rowsOf } from "../oracles/sparse.ts";

const SLOTS = 3;

/** Clips random gradients on the GPU and by the oracle; returns the norm and whether it was above. */
async function check(
  [rows, d, m]: number[],
  limit: number,
  { jump, gpu }: { jump: boolean; gpu: Device },
) {
  using buffers = createBuffers(gpu);
  const sae = randomSae(d, d, m);
  const weights = uploadWeights(gpu, buffers, sae);
  const plain = randomSparse({ seed: m, rows: 2 * rows, cols: m, share: 0.4 });
  const order = orderByLatent(plain);
  const owners = rowsOf(plain);
  const offsets = Array.from(
    { length: m + 1 },
    (_, i) => order.filter((at) => plain.latents[at] < i).length,
  );
  const factors = randomNumbers(5, 2 * order.length);
  const residual = randomMatrix(6, 2 * rows, d).data;
  const input = randomMatrix(7, rows, d).data;
  const vectors = [randomNumbers(8, m), randomNumbers(9, d), randomNumbers(10, m)];
  const put = vectors.map((vector) => buffers.from("gradient", vector));
  // Numbers behind the last entry are nobody's.
  const padded = buffers.from("factors", Float32Array.from([...factors, 7, 7]));
  const columns = {
    latentOffsets: buffers.from("latent offsets", Uint32Array.from(offsets)),
    rows: buffers.from("rows", Uint32Array.from([...order.map((at) => owners[at]), 0])),
    factors: padded,
    counts: padded,
    blocks: 1,
  };
  const records = buffers.zeros("records", SLOTS * RECORD_WORDS);
  const frozen = buffers.zeros("frozen", 1);
  submit(
    gpu,
    await build(gpu, buffers, (p) =>
      clipGradients(p, {
        ...{ limit, half: rows, weights, columns },
        residual: buffers.from("residual", residual),
        input: buffers.from("input", input),
        gradients: { bEnc: put[0], bDec: put[1], logTheta: jump ? put[2] : undefined },
        step: buffers.uniform("step", layOutStep({ step: 5 })),
        ...{ records, recordSlots: SLOTS, frozen },
      })),
  );

  const decoder = new Float64Array(m * d);
  const encoder = new Float64Array(m * d);
  order.forEach((entry, at) => {
    const row = owners[entry];
    for (let c = 0; c < d; c++) {
      const to = plain.latents[entry] * d + c;
      decoder[to] += factors[2 * at] * residual[row * d + c];
      encoder[to] += factors[2 * at + 1] * input[row % rows * d + c];
    }
  });
  removeParallel(decoder, Float64Array.from(sae.wDec), d);
  const own = vectors.slice(0, jump ? 3 : 2).map((vector) => Float64Array.from(vector));
  const norm = clipByNorm([decoder, encoder, ...own], limit);
  const factor = Math.min(1, limit / (norm + 1e-6));
  const name = `${rows}×${d}×${m}, limit ${limit}`;
  const written = await readFloats(gpu, records, SLOTS * RECORD_WORDS);
  // Step 5 has the second of three slots.
  const at = RECORD_WORDS + 10;
  assertAlmostEquals(written[at], norm, 1e-5 * norm, name);
  assertEquals(written.filter((value) => value !== 0).length, 1);
  assertEquals([...await readIntegers(gpu, frozen, 1)], [0]);
  for (const [i, vector] of vectors.entries()) {
    const wanted = i < own.length ? own[i] : vector;
    assertClose(await readFloats(gpu, put[i], vector.length), wanted, `${name}: vector ${i}`, 1e-5);
  }
  const scaled = [...[...factors].map((value) => value * factor), 7, 7];
  const all = await readFloats(gpu, padded, scaled.length);
  assertClose(all.subarray(0, -2), scaled.slice(0, -2), `${name}: factors`, 1e-5);
  assertEquals([...all.subarray(-2)], [7, 7]);
  if (factor === 1) assertEquals(all.subarray(0, -2), factors);
  return factor < 1;
}

Deno.test("clipGradients agrees with the oracle", async () => {
  for await (const { device: gpu } of eachDevice([{}, NARROW])) {
    let clipped = 0;
    for (const shape of [[1, 1, 1], [2, 3, 7], [6, 65, 40], [20, 4, 130]]) {
      for (const limit of [1e-3, 3, 1e4]) {
        for (const jump of [true, false]) {
          clipped += Number(await check(shape, limit, { jump, gpu }));
        }
      }
    }
    assert(clipped >= 8 && clipped <= 16, `${clipped} clipped`);
  }
});

Deno.test("clipGradients agrees with the oracle where weights are in shards", async () => {
  using gpu = await openGpu(TIGHT);
  assert(await check([3, 48, 40], 0.5, { jump: true, gpu }));
});

Deno.test("a norm that is not finite freezes the run and is in its record", async () => {
  for await (const { device: gpu } of eachDevice()) {
    using buffers = createBuffers(gpu);
    // The CPU sums squares in float64: there the gradient itself must be infinite.
    const huge = gpu.kind === "cpu" ? Infinity : 1e30;
    const zeros = (length: number) => buffers.zeros("zeros", length);
    const [records, frozen] = [zeros(RECORD_WORDS), zeros(1)];
    submit(
      gpu,
      await build(gpu, buffers, (p) =>
        clipGradients(p, {
          ...{ limit: 1, half: 1, weights: uploadWeights(gpu, buffers, randomSae(1, 2, 3)) },
          columns: {
            ...{
              latentOffsets: zeros(4),
              rows: zeros(1),
              factors: zeros(2),
              counts: zeros(1),
              blocks: 1,
            },
          },
          ...{ residual: zeros(2), input: zeros(2) },
          gradients: { bEnc: buffers.from("huge", Float32Array.of(0, huge, 0)), bDec: zeros(2) },
          step: buffers.uniform("step", layOutStep({ step: 1 })),
          ...{ records, recordSlots: 1, frozen },
        })),
    );
    assertEquals([...await readIntegers(gpu, frozen, 1)], [1]);
    const words = await readIntegers(gpu, records, RECORD_WORDS);
    assertEquals(words[6], 1);
    assertEquals(new Float32Array(words.buffer)[10], Infinity);
  }
});
