import { assert, assertEquals } from "@std/assert";
import type { Factors } from "../../kernels/dense_tiled.ts";
import { layOutStep } from "../../kernels/prelude.ts";
import { createBuffers, readFloats, readIntegers, writeBuffer } from "../../lib/device/buffer.ts";
import type { Gpu } from "../../lib/device/gpu.ts";
import { selectBatch } from "../../lib/ops/select_batch.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import { combinations, someOf } from "../depth.ts";
import { build, openGpu, readSparse, SMALL, submit } from "../gpu_helper.ts";
import { keepLargest, preActivations } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";
import { ALL, type Given, wholeNumbers, wildNumbers } from "./screened_helper.ts";

/** Prepares a selection that runs again and again. */
async function prepare(
  gpu: Gpu,
  { x, wEnc, bEnc, n, d, m }: Given,
  { wanted, factors, most }: { wanted: number; factors: Factors; most?: number },
) {
  const buffers = createBuffers(gpu);
  const zeros = new Float32Array(m * d);
  const sae = { dModel: d, dictSize: m, wEnc, bEnc, wDec: zeros, bDec: new Float32Array(d) };
  const weights = uploadWeights(gpu, buffers, sae);
  const input = buffers.from("x", x);
  const step = buffers.uniform("step", layOutStep({ step: 9 }));
  const lastActive = buffers.from("last active", new Uint32Array(m).fill(4));
  const stats = buffers.zeros("stats", 3);
  const out = createSparseRows(buffers, n, Math.min(wanted, n * m));
  let selection: ReturnType<typeof selectBatch>["selection"];
  let state: ReturnType<typeof selectBatch>["state"];
  const stages = await build(gpu, buffers, (p) => {
    const given = { rows: n, input, weights, wanted, out, step, lastActive, stats };
    ({ selection, state } = selectBatch(p, { ...given, factors, most }));
  });
  return {
    /** Runs it with the last threshold given, and reads everything that it writes. */
    async run(last?: number) {
      if (last !== undefined) writeBuffer(gpu, selection, Float32Array.of(last));
      submit(gpu, stages, [stats]);
      const [sparse, active, [, smallest], [, , , failed], [threshold]] = await Promise.all([
        readSparse(gpu, out),
        readIntegers(gpu, lastActive, m),
        readIntegers(gpu, stats, 2),
        readIntegers(gpu, state, 4),
        readFloats(gpu, selection, 1),
      ]);
      return { sparse, active: [...active], smallest, failed, threshold };
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  };
}

/** What a selection has to give, from numbers whose dots are exact. */
function expectedOf({ x, wEnc, bEnc, n, d, m }: Given, wanted: number) {
  const z = Float32Array.from(preActivations(x, wEnc, bEnc, n, d, m));
  const sparse = toSparse(z, keepLargest(z, wanted), m);
  const least = Math.min(...sparse.values);
  const kept = new Set(sparse.latents);
  return {
    sparse,
    active: Array.from({ length: m }, (_, i) => kept.has(i) ? 9 : 4),
    smallest: sparse.values.length === 0
      ? 0
      : ~new Uint32Array(Float32Array.of(least).buffer)[0] >>> 0,
  };
}

Deno.test("a screened selection keeps what an exact oracle keeps, whatever it screens with", async () => {
  using gpu = await openGpu();
  const shape = [[1, 1, 1], [5, 3, 9], [24, 20, 65], [130, 16, 140], [33, 37, 300], [7, 130, 513]];
  const share = [0.001, 0.05, 0.4, 1];
  // All of it with the factors that have the widest bounds.
  const allowed = (one: { factors: Factors; share: number }) =>
    one.factors === "int8" || one.share > 0.001 && one.share < 1;
  for (
    const { shape: [n, d, m], factors, share: part } of combinations(
      { shape, factors: ALL, share },
      allowed,
    )
  ) {
    const given = wholeNumbers(n + d + m, n, d, m);
    const wanted = Math.max(1, Math.round(part * n * m));
    using selection = await prepare(gpu, given, { wanted, factors });
    const expected = expectedOf(given, wanted);
    const name = `${factors} ${n}×${d}×${m}, ${wanted}`;
    for (const _ of [0, 1]) {
      const { failed, threshold: _, ...actual } = await selection.run();
      assertEquals(actual, expected, name);
      assertEquals(failed, 0, name);
    }
  }
});

Deno.test("a screened selection is right whatever the cut was predicted to be", async () => {
  using gpu = await openGpu();
  const given = wholeNumbers(3, 40, 16, 150);
  const wanted = 200;
  const expected = expectedOf(given, wanted);
  // Lists of 300 and 1 candidates: too low a cut overflows them, the second always.
  for (const { factors, most } of combinations({ factors: ALL, most: [undefined, 300, 1] })) {
    using selection = await prepare(gpu, given, { wanted, factors, most });
    for (const last of someOf([0, 20, 60, 150, 1e20, 1, 50, 80, 1e6, 1e-3, -5], 4)) {
      const { failed, threshold, ...actual } = await selection.run(last);
      const name = `${factors}, last ${last}, room for ${most}`;
      assertEquals(actual, expected, name);
      assertEquals(threshold, Math.min(...expected.sparse.values), name);
      if (most !== 300) assertEquals(failed, most === 1 ? 1 : 0, name);
    }
  }
});

Deno.test("a screened selection with all values equal, and with fewer positive ones than wanted", async () => {
  using gpu = await openGpu();
  const [n, d, m] = [30, 8, 140];
  const ones: Given = {
    x: new Float32Array(n * d).fill(1),
    wEnc: new Float32Array(m * d).fill(2),
    bEnc: new Float32Array(m).fill(-1),
    ...{ n, d, m },
  };
  const ways = { factors: ALL, most: [undefined, 500] };
  const counts = [1, 130, 140 * 7 + 13, n * m];
  for (const { factors, most, wanted } of combinations({ ...ways, wanted: counts })) {
    using selection = await prepare(gpu, ones, { wanted, factors, most });
    const expected = expectedOf(ones, wanted);
    for (const _ of [0, 1]) {
      const { failed, threshold, ...actual } = await selection.run();
      assertEquals(actual, expected, `${factors}, ${wanted} of equals, room for ${most}`);
      assertEquals(threshold, 15);
      assertEquals(failed, most === undefined ? 0 : 1);
    }
  }
  const few = wholeNumbers(5, n, d, m);
  few.bEnc.fill(-40);
  const count = expectedOf(few, n * m).sparse.values.length;
  assert(count > 20 && count < 450, `${count}`);
  const around = [count - 1, count, count + 1, 600];
  for (const { factors, most, wanted } of combinations({ ...ways, wanted: around })) {
    using selection = await prepare(gpu, few, { wanted, factors, most });
    const expected = expectedOf(few, wanted);
    for (const last of [undefined, undefined, 100]) {
      const { failed: _, threshold: __, ...actual } = await selection.run(last);
      assertEquals(actual, expected, `${factors}, ${wanted} of ${count}, room for ${most}`);
    }
  }
  const none = { ...ones, bEnc: new Float32Array(m).fill(-1000) };
  for (const factors of someOf(ALL, 1)) {
    using selection = await prepare(gpu, none, { wanted: 10, factors });
    assertEquals((await selection.run(3)).sparse.values, []);
  }
});

Deno.test("values and bits depend on neither the screening, the cut nor the way that was taken", async () => {
  using gpu = await openGpu();
  for (const [n, d, m] of [[50, 33, 200], [140, 64, 130]]) {
    const given = wildNumbers(n, n, d, m);
    const { x, wEnc, bEnc } = given;
    const z = preActivations(x, wEnc, bEnc, n, d, m);
    for (const wanted of [40, 900]) {
      let first: unknown;
      const ways = { factors: ALL, most: [undefined, 2 * wanted, 1] };
      for (const { factors, most } of combinations(ways)) {
        using selection = await prepare(gpu, given, { wanted, factors, most });
        for (const last of [undefined, ...someOf([undefined, 1e9, 1e-9], 1)]) {
          const { failed: _, ...found } = await selection.run(last);
          first ??= found;
          assertEquals(found, first, `${factors}, room for ${most}, last ${last}`);
        }
        const { sparse, threshold } = await selection.run();
        assertEquals(sparse.values.length, wanted);
        // Nothing well above the threshold is missing, and all kept are near what float64 says.
        const kept = new Set<number>();
        for (let row = 0; row < n; row++) {
          for (let j = sparse.offsets[row]; j < sparse.offsets[row + 1]; j++) {
            const at = row * m + sparse.latents[j];
            assert(j === sparse.offsets[row] || sparse.latents[j] > sparse.latents[j - 1]);
            kept.add(at);
            const slack = 1e-5 * Math.max(1, Math.abs(z[at]));
            assert(
              Math.abs(sparse.values[j] - z[at]) <= slack * 10,
              `${sparse.values[j]} ${z[at]}`,
            );
          }
        }
        for (const [at, value] of z.entries()) {
          if (value > threshold * (1 + 1e-4)) assert(kept.has(at), `${at} is missing`);
        }
      }
    }
  }
});

Deno.test("a screened selection in shards, and with dispatches in two dimensions", async () => {
  using gpu = await openGpu(SMALL);
  const given = wholeNumbers(3, 40, 16, 400);
  for (const { factors, wanted } of combinations({ factors: ALL, wanted: [50, 900, 1500] })) {
    using selection = await prepare(gpu, given, { wanted, factors });
    const { failed: _, threshold: __, ...actual } = await selection.run();
    assertEquals(actual, expectedOf(given, wanted), `${factors}, ${wanted}`);
  }
});

Deno.test("a screened selection over more latents than are ranked at a time", async () => {
  using gpu = await openGpu();
  const given = wholeNumbers(1, 3, 4, 40_000, 2);
  const wanted = 3000;
  const { sparse: expected } = expectedOf(given, wanted);
  for (const most of someOf([undefined, 2999], 1)) {
    using selection = await prepare(gpu, given, { wanted, factors: "int8", most });
    assertEquals((await selection.run()).sparse, expected, `room for ${most}`);
  }
});

Deno.test("rows whose dots leave float32 do not end or hang a selection", async () => {
  using gpu = await openGpu();
  const given = wholeNumbers(3, 20, 8, 60);
  for (const { bad, factors } of combinations({ bad: [3e38, 1e25, Infinity, NaN], factors: ALL })) {
    given.x[17] = bad;
    using selection = await prepare(gpu, given, { wanted: 50, factors });
    const { sparse } = await selection.run();
    assert(sparse.offsets[20] <= 50);
  }
});
