import { assert, assertEquals } from "@std/assert";
import { createBuffers, readFloats, readIntegers, writeBuffer } from "../../lib/device/buffer.ts";
import type { Device } from "../../lib/device/device.ts";
import { selectAbove, selectActive, type SelectionRule } from "../../lib/ops/select_active.ts";
import { listDeadLatents, selectDead } from "../../lib/ops/select_rows.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import { layOutStep } from "../../kernels/prelude.ts";
import { createRandom } from "../../lib/random.ts";
import { assertClose, build, eachDevice, NARROW, readSparse, submit } from "../gpu_helper.ts";
import { combinationsOn } from "../depth.ts";
import { keepLargest, keepLargestOfRows, preActivations } from "../oracles/dense.ts";
import { type PlainSparse, toSparse } from "../oracles/sparse.ts";

const STEP = 20;
const DEAD_AFTER = 5;

/** Rows, width and latents: below and above blocks of rows, lanes of SIMD and tiles of latents. */
const SHAPES = [[1, 1, 1], [3, 17, 40], [140, 20, 66], [70, 33, 130]];

/** Shares of all that are wanted; the first is one alone. */
const PARTS = [1e-9, 1 / 9, 1];

/**
 * Samples and an encoder of few whole numbers: every sum is exact in float32, in whatever order it is taken,
 * so that each device must give the oracle's own numbers. Many of them are equal.
 */
function makeCase([rows, d, m]: number[]) {
  const random = createRandom(rows + d + m);
  const numbers = (length: number, most: number, unit: number) =>
    Float32Array.from({ length }, () => (random.below(2 * most + 1) - most) * unit);
  const x = numbers(rows * d, 3, 0.5);
  const sae = {
    ...{ dModel: d, dictSize: m, wEnc: numbers(m * d, 2, 0.25), bEnc: numbers(m, 4, 0.125) },
    ...{ wDec: new Float32Array(m * d), bDec: new Float32Array(d) },
  };
  const z = preActivations(x, sae.wEnc, sae.bEnc, rows, d, m);
  return { rows, d, m, x, sae, z, ages: Array.from({ length: m }, () => random.below(STEP + 1)) };
}

type Case = ReturnType<typeof makeCase>;

/** Selects, then selects among the dead behind it where `dead` are wanted; twice, and reads all of it. */
async function select(
  device: Device,
  { rows, d, m, x, sae, ages }: Case,
  ruleOf: (buffers: ReturnType<typeof createBuffers>) => SelectionRule,
  dead = 0,
) {
  using buffers = createBuffers(device);
  const rule = ruleOf(buffers);
  const state = {
    step: buffers.uniform("step", layOutStep({ step: STEP })),
    lastActive: buffers.from("last active", Uint32Array.from(ages, (age) => STEP - age)),
    stats: buffers.zeros("stats", 3),
  };
  const out = createSparseRows(buffers, 2 * rows, rows * (m + dead));
  const weights = uploadWeights(device, buffers, sae);
  const input = buffers.from("x", x);
  const list = buffers.zeros("dead", 1 + m);
  const stages = await build(device, buffers, (p) => {
    const encoding = selectActive(p, { rows, input, weights, rule, out, ...state });
    if (dead === 0) return;
    listDeadLatents(p, { latents: m, deadAfter: DEAD_AFTER, ...state, dead: list });
    selectDead(p, { encoding, rows, wanted: dead, out, dead: list });
  });
  assert(d > 0);
  submit(device, stages, [state.stats, out.kept]);
  // Again: nothing of the first run may be left where it shows.
  writeBuffer(device, state.lastActive, Uint32Array.from(ages, (age) => STEP - age));
  submit(device, stages, [state.stats, out.kept]);
  return {
    sparse: await readSparse(device, out, dead > 0 ? 2 * rows : rows),
    lastActive: [...await readIntegers(device, state.lastActive, m)],
    stats: [...await readIntegers(device, state.stats, 3)],
    penalties: rule.by === "ragged" ? await readFloats(device, rule.penalties, rows) : undefined,
    theta: rule.by === "ragged" && rule.jump && await readFloats(device, rule.jump.theta, m),
  };
}

/** What a selection notes: when each latent was active last, and the smallest activation. */
function assertNoted(
  { lastActive, stats }: Awaited<ReturnType<typeof select>>,
  { ages }: Case,
  { latents, values }: PlainSparse,
  name: string,
) {
  const active = new Set(latents.filter((_, at) => values[at] > 0));
  const expected = ages.map((age, i) => active.has(i) ? STEP : STEP - age);
  assertEquals(lastActive, expected, `${name}: last active`);
  const least = values.filter((value) => value > 0).reduce((a, b) => Math.min(a, b), Infinity);
  const bits = new Uint32Array(Float32Array.of(least).buffer)[0];
  assertEquals(stats[1], least === Infinity ? 0 : ~bits >>> 0, `${name}: smallest kept`);
  assertEquals(stats[0], 0);
}

Deno.test("selectActive: the largest of the batch, ties by row and latent", async () => {
  for await (const { device, name } of eachDevice([NARROW])) {
    for (const { shape, part } of combinationsOn(device, { shape: SHAPES, part: PARTS })) {
      const one = makeCase(shape);
      const wanted = Math.ceil(part * one.rows * one.m);
      const where = `${name}, ${shape}, ${wanted}`;
      const found = await select(device, one, () => ({ by: "batch", wanted }));
      const expected = toSparse(one.z, keepLargest(one.z, wanted), one.m);
      assertEquals(found.sparse, expected, where);
      assertNoted(found, one, expected, where);
    }
  }
});

Deno.test("selectActive: the largest of each row, and the largest of the dead behind them", async () => {
  let dead = 0;
  for await (const { device, name } of eachDevice([NARROW])) {
    for (const { shape, part } of combinationsOn(device, { shape: SHAPES, part: PARTS })) {
      const one = makeCase(shape);
      const latents = [...Array(one.m).keys()];
      const wanted = Math.ceil(part * one.m);
      const where = `${name}, ${shape}, ${wanted}`;
      const found = await select(device, one, () => ({ by: "row", wanted }), wanted);
      const own = toSparse(one.z, keepLargestOfRows(one.z, one.m, latents, wanted), one.m);
      assertNoted(found, one, own, where);
      const oldest = latents.filter((i) => STEP - found.lastActive[i] >= DEAD_AFTER);
      assertEquals(found.stats[2], oldest.length, where);
      const other = toSparse(one.z, keepLargestOfRows(one.z, one.m, oldest, wanted), one.m);
      const before = own.latents.length;
      // On a GPU nothing is written behind the rows where none is dead.
      if (oldest.length === 0 && device.kind === "gpu") {
        assertEquals(found.sparse.offsets.slice(0, one.rows + 1), own.offsets, where);
        continue;
      }
      dead += other.latents.length;
      assertEquals(found.sparse, {
        offsets: [...own.offsets, ...other.offsets.slice(1).map((offset) => before + offset)],
        latents: [...own.latents, ...other.latents],
        values: [...own.values, ...other.values],
      }, where);
    }
  }
  assert(dead > 100);
});

Deno.test("selectActive: all above 0, and all above θ with what lies in the window below it", async () => {
  let windows = 0;
  for await (const { device, name } of eachDevice([NARROW])) {
    const bandwidths = [undefined, 0.01, 1.5];
    for (
      const { shape, bandwidth } of combinationsOn(device, { shape: SHAPES, bandwidth: bandwidths })
    ) {
      const one = makeCase(shape);
      const { rows, m, z } = one;
      // The exponential may differ in its last bit: half-way between two of the numbers.
      const random = createRandom(m);
      const log = Float32Array.from({ length: m }, () => Math.log(random.below(20) / 8 + 1 / 16));
      const where = `${name}, ${shape}, ε ${bandwidth}`;
      const found = await select(device, one, (buffers) => ({
        by: "ragged",
        penalties: buffers.zeros("penalties", rows),
        jump: bandwidth === undefined ? undefined : {
          logTheta: buffers.from("log θ", log),
          theta: buffers.zeros("θ", m),
          bandwidth,
        },
      }));
      const theta = bandwidth === undefined ? new Float64Array(m) : log.map(Math.exp);
      if (found.theta) assertClose(found.theta, theta, where, 1e-6);
      const mask = z.map((value, at) =>
        value > 0 && value > theta[at % m] - (bandwidth ?? 0) / 2 ? 1 : 0
      );
      const f = z.map((value, at) => value > theta[at % m] ? value : 0);
      windows += mask.reduce((sum, one, at) => sum + (one && !f[at] ? 1 : 0), 0);
      const expected = toSparse(f, mask, m);
      assertEquals(found.sparse, expected, where);
      assertNoted(found, one, expected, where);
      const penalties = new Float64Array(rows);
      f.forEach((value, at) => {
        if (value > 0) penalties[Math.floor(at / m)] += bandwidth === undefined ? value : 1;
      });
      assertClose(found.penalties!, penalties, where, 1e-6);
    }
  }
  assert(windows > 100);
});

Deno.test("selectAbove: what is above each latent's threshold, strictly, as far as there is room", async () => {
  for await (const { device, name } of eachDevice([NARROW])) {
    for (const shape of SHAPES) {
      const one = makeCase(shape);
      const { rows, m, x, sae, z } = one;
      const random = createRandom(m);
      const limits = Float32Array.from({ length: m }, () => (random.below(20) - 4) / 8);
      const mask = z.map((value, at) => value > 0 && value > limits[at % m] ? 1 : 0);
      const expected = toSparse(z, mask, m);
      for (const capacity of [rows * m, Math.ceil(expected.values.length / 3)]) {
        using buffers = createBuffers(device);
        const out = createSparseRows(buffers, rows, Math.max(1, capacity));
        const weights = uploadWeights(device, buffers, sae);
        const input = buffers.from("x", x);
        const threshold = buffers.from("threshold", limits);
        const stats = buffers.zeros("stats", 3);
        submit(
          device,
          await build(
            device,
            buffers,
            (p) => selectAbove(p, { rows, input, weights, threshold, out, stats }),
          ),
        );
        const where = `${name}, ${shape}, room for ${capacity}`;
        if (capacity === rows * m) assertEquals(await readSparse(device, out), expected, where);
        // How many there are is said even where they have no room.
        assertEquals([...await readIntegers(device, out.offsets, rows + 1)], expected.offsets);
      }
    }
  }
});

Deno.test("a batch that is not finite selects nothing on the CPU, whatever was selected before", async () => {
  for await (const { device } of eachDevice()) {
    if (device.kind === "gpu") continue;
    const one = makeCase(SHAPES[2]);
    using buffers = createBuffers(device);
    const stats = buffers.zeros("stats", 3);
    const out = createSparseRows(buffers, 2 * one.rows, one.rows * one.m);
    const given = {
      rows: one.rows,
      input: buffers.from("x", one.x),
      weights: uploadWeights(device, buffers, one.sae),
      out,
      step: buffers.uniform("step", layOutStep({ step: STEP })),
      lastActive: buffers.zeros("last active", one.m),
      stats,
    };
    for (const rule of [{ by: "batch", wanted: 99 }, { by: "row", wanted: 4 }] as const) {
      const stages = await build(device, buffers, (p) => selectActive(p, { ...given, rule }));
      submit(device, stages);
      assert((await readSparse(device, out, one.rows)).values.length > 90);
      writeBuffer(device, stats, Uint32Array.of(~7));
      writeBuffer(device, given.lastActive, new Uint32Array(one.m));
      submit(device, stages);
      const { offsets } = await readSparse(device, out, one.rows);
      assertEquals(offsets, Array(one.rows + 1).fill(0));
      const noted = await readIntegers(device, given.lastActive, one.m);
      assertEquals([...noted], Array(one.m).fill(0));
      writeBuffer(device, stats, new Uint32Array(3));
    }
  }
});
