import { assertEquals } from "@std/assert";
import { createBuffers, readIntegers } from "../../lib/device/buffer.ts";
import { selectScreened } from "../../lib/ops/select_above.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import { combinations } from "../depth.ts";
import { build, openGpu, readSparse, SMALL, submit } from "../gpu_helper.ts";
import { preActivations } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";
import { ALL, wholeNumbers, wildNumbers } from "./screened_helper.ts";

Deno.test("what is above each latent's threshold is kept, whatever it screens with, with or without room", async () => {
  for (const options of [{}, SMALL]) {
    using gpu = await openGpu(options);
    const cases = combinations({
      shape: [[1, 3, 1], [24, 20, 65], [5, 16, 400]],
      shift: [-1000, 0, 40, 1000],
      factors: ALL,
      room: [Infinity, 300, 1],
    });
    for (const { shape: [n, d, m], shift, factors, room } of cases) {
      const { x, wEnc, bEnc } = wholeNumbers(n + m, n, d, m);
      const z = Float32Array.from(preActivations(x, wEnc, bEnc, n, d, m));
      const cuts = Float32Array.from({ length: m }, (_, i) => i % 9 + shift);
      const mask = z.map((value, at) => value > 0 && value > cuts[at % m] ? 1 : 0);
      using buffers = createBuffers(gpu);
      const sae = { dModel: d, dictSize: m, wEnc, bEnc, wDec: wEnc };
      const weights = uploadWeights(gpu, buffers, { ...sae, bDec: new Float32Array(d) });
      const input = buffers.from("x", x);
      const threshold = buffers.from("threshold", cuts);
      const out = createSparseRows(buffers, n, n * m);
      const capacity = room === Infinity ? n * m : room;
      const given = { rows: n, input, weights, threshold, out, factors, capacity };
      const stages = await build(gpu, buffers, (p) => void selectScreened(p, given));
      submit(gpu, stages);
      submit(gpu, stages);
      const name = `${factors} ${n}×${d}×${m}, ${shift}, ${capacity}`;
      assertEquals(await readSparse(gpu, out), toSparse(z, mask, m), name);
    }
  }
});

Deno.test("without enough room what fits is written, and the offsets say how much there is", async () => {
  using gpu = await openGpu();
  const [n, d, m] = [50, 33, 200];
  const { x, wEnc, bEnc } = wildNumbers(1, n, d, m);
  let first: unknown;
  for (const factors of ALL) {
    for (const capacity of [n * m, 1]) {
      using buffers = createBuffers(gpu);
      const sae = { dModel: d, dictSize: m, wEnc, bEnc, wDec: wEnc };
      const weights = uploadWeights(gpu, buffers, { ...sae, bDec: new Float32Array(d) });
      const input = buffers.from("x", x);
      const threshold = buffers.zeros("threshold", m);
      const out = { ...createSparseRows(buffers, n, n * m), capacity: 700 };
      const given = { rows: n, input, weights, threshold, out, factors, capacity };
      submit(gpu, await build(gpu, buffers, (p) => void selectScreened(p, given)));
      const { offsets, latents, values } = await readSparse(gpu, out);
      const beyond = [...await readIntegers(gpu, out.latents, n * m)].slice(700);
      assertEquals(beyond.filter((latent) => latent !== 0), []);
      // Values are the same bits on each way.
      first ??= { offsets, latents, values };
      assertEquals({ offsets, latents, values }, first, `${factors}, ${capacity}`);
    }
  }
});
