import { assertEquals } from "@std/assert";
import { type BufferSet, createBuffers } from "../../lib/device/buffer.ts";
import { isCpu, openCpu } from "../../lib/device/cpu.ts";
import type { Device, DeviceOptions } from "../../lib/device/device.ts";
import type { UploadedRows, Walk } from "../../lib/ops/walk.ts";
import { createWalker } from "../../lib/ops/walk_entries.ts";
import { splitRows } from "../../lib/ops/weights.ts";
import { createRandom } from "../../lib/random.ts";
import { assertClose, NARROW, openGpu, presentAs, randomNumbers, TIGHT } from "../gpu_helper.ts";
import { walk as oracle } from "../oracles/walk.ts";

/** A walk with `most` entries per row at most, in no order, and with an empty row where there are more. */
function randomWalk(
  { seed, rows, d, decoderRows, most, restarts }: {
    seed: number;
    rows: number;
    d: number;
    decoderRows: number;
    most: number;
    restarts: boolean;
  },
): Walk {
  const random = createRandom(seed);
  const rowOffsets = Uint32Array.from({ length: rows + 1 });
  for (let r = 0; r < rows; r++) {
    rowOffsets[r + 1] = rowOffsets[r] + (r === 1 ? 0 : random.below(most + 1));
  }
  const length = rowOffsets[rows];
  const restart = Uint8Array.from({ length }, () => random.below(3) === 0 ? 1 : 0);
  return {
    rows,
    base: randomNumbers(seed + 1, rows * d),
    rowOffsets,
    latents: Uint32Array.from({ length }, () => random.below(decoderRows)),
    values: randomNumbers(seed + 2, length),
    ...(restarts ? { restart } : {}),
  };
}

/** Two decoders on a device, in shards as those of SAEs. */
function uploadRows(
  device: Device,
  buffers: BufferSet,
  d: number,
  decoder: Float32Array,
  first: number,
): [UploadedRows, UploadedRows] {
  const upload = (rows: Float32Array): UploadedRows => {
    const ranges = isCpu(device)
      ? [{ first: 0, rows: rows.length / d }]
      : splitRows(device, rows.length / d, d);
    const shards = ranges.map((range) => ({
      wDec: buffers.from("decoder", rows.subarray(range.first * d, (range.first + range.rows) * d)),
    }));
    return { rows, shards };
  };
  return [upload(decoder.subarray(0, first * d)), upload(decoder.subarray(first * d))];
}

// Rows, d, rows of two decoders, most entries per row: below and above the 32 entries and the 64 columns
// that the kernel takes at a time; under TIGHT, 4 KiB a binding, decoders that are gathered, rows that
// are split and rows whose entries are.
const SHAPES = [
  [1, 1, 1, 1, 1],
  [3, 2, 40, 9, 33],
  [40, 48, 30, 50, 64],
  [9, 65, 4, 1, 20],
  [5, 130, 50, 40, 100],
  [300, 1, 700, 800, 3],
];

const ADAPTERS: [name: string, options: DeviceOptions, kind?: "hardware" | "software"][] = [
  ["a software adapter", {}, "software"],
  ["hardware", {}, "hardware"],
  ["hardware, NARROW", NARROW, "hardware"],
  ["hardware, TIGHT", TIGHT, "hardware"],
  ["the CPU", { device: "cpu", workers: 0 }],
  ["the CPU, plain loops", { device: "cpu", workers: 2, simd: false }],
];

for (const [name, options, kind] of ADAPTERS) {
  Deno.test(`a walk meets what the entries before left, on ${name}`, async () => {
    using opened = options.device === "cpu" ? await openCpu(options) : await openGpu(options);
    const gpu = kind ? presentAs(opened, kind) : opened;
    for (const [rows, d, first, second, most] of SHAPES) {
      const decoder = randomNumbers(5, (first + second) * d);
      using buffers = createBuffers(gpu);
      const decoders = uploadRows(gpu, buffers, d, decoder, first);
      using walker = createWalker(gpu, { dModel: d, decoders });
      for (const restarts of [false, true]) {
        // Two walks of one walker: what the first left on the GPU must not matter.
        for (const seed of [1, 2]) {
          const walk = randomWalk({ seed, rows, d, decoderRows: first + second, most, restarts });
          const { dots, residual } = await walker.run(walk, { residual: true });
          const expected = oracle(walk, decoder);
          const shape = `${rows}×${d}, ${restarts}`;
          assertClose(dots, expected.dots, `dots of ${shape}`);
          assertClose(residual!, expected.residual, `residual of ${shape}`);
        }
      }
    }
  });
}

Deno.test("a walker frees what it took, and takes walks without rows or entries", async () => {
  using opened = await openGpu();
  for (const kind of ["hardware", "software"] as const) {
    const gpu = presentAs(opened, kind);
    using buffers = createBuffers(gpu);
    const decoders = uploadRows(gpu, buffers, 3, randomNumbers(1, 12), 1);
    const held = gpu.allocated;
    const walker = createWalker(gpu, { dModel: 3, decoders });
    // The decoders are used where they lie.
    assertEquals(gpu.allocated, held);
    const none = { latents: new Uint32Array(), values: new Float32Array() };
    const empty = { rows: 0, base: new Float32Array(), rowOffsets: Uint32Array.of(0), ...none };
    assertEquals((await walker.run(empty, { residual: true })).residual, new Float32Array());
    const base = randomNumbers(2, 6);
    const still = { rows: 2, base, rowOffsets: Uint32Array.of(0, 0, 0), ...none };
    assertEquals((await walker.run(still)).residual, undefined);
    const { dots, residual } = await walker.run(still, { residual: true });
    assertEquals([dots.length, residual], [0, base]);
    assertEquals(gpu.allocated, held);
    walker[Symbol.dispose]();
    assertEquals(gpu.allocated, held);
  }
});
