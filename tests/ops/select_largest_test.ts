import { assert, assertEquals } from "@std/assert";
import type { Factors } from "../../kernels/dense_tiled.ts";
import { createBuffers, readIntegers, writeBuffer } from "../../lib/device/buffer.ts";
import type { Gpu } from "../../lib/device/gpu.ts";
import { packBoth } from "../../lib/ops/round_on_gpu.ts";
import { selectLargest } from "../../lib/ops/select_largest.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import { combinations } from "../depth.ts";
import { build, openGpu, readSparse, SMALL, submit } from "../gpu_helper.ts";
import { keepLargestOfRows, preActivations } from "../oracles/dense.ts";
import { toSparse } from "../oracles/sparse.ts";
import { ALL, type Given, wholeNumbers, wildNumbers } from "./screened_helper.ts";

/** Selects of each row, twice, with two rows of other entries before; gives what was written, and the state. */
async function select(
  gpu: Gpu,
  { x, wEnc, bEnc, n, d, m }: Given,
  { wanted, factors, most, among }: {
    wanted: number;
    factors: Factors;
    most?: number;
    among?: number[];
  },
) {
  using buffers = createBuffers(gpu);
  const sae = { dModel: d, dictSize: m, wEnc, bEnc, wDec: wEnc, bDec: new Float32Array(d) };
  const weights = uploadWeights(gpu, buffers, sae);
  const input = buffers.from("x", x);
  const out = createSparseRows(buffers, n + 2, n * Math.min(wanted, m) + 5);
  writeBuffer(gpu, out.offsets, Uint32Array.of(0, 2, 5));
  const list = among && buffers.from("list", Uint32Array.of(among.length, ...among));
  let state = list!;
  const stages = await build(gpu, buffers, (p) => {
    const packed = packBoth(p, { factors, rows: n, input, weights });
    const how = { wanted, out, firstOut: 2, among: list, packed, most };
    ({ state } = selectLargest(p, { rows: n, input, weights, ...how }));
  });
  submit(gpu, stages, [out.kept]);
  submit(gpu, stages, [out.kept]);
  const [{ offsets, latents, values }, [, , , failed]] = await Promise.all([
    readSparse(gpu, out),
    readIntegers(gpu, state, 4),
  ]);
  assertEquals(offsets.slice(0, 3), [0, 2, 5]);
  return {
    sparse: {
      offsets: offsets.slice(2).map((offset) => offset - 5),
      latents: latents.slice(5),
      values: values.slice(5),
    },
    failed,
  };
}

function expectedOf({ x, wEnc, bEnc, n, d, m }: Given, wanted: number, among?: number[]) {
  const z = Float32Array.from(preActivations(x, wEnc, bEnc, n, d, m));
  const latents = among ?? Array.from({ length: m }, (_, i) => i);
  return toSparse(z, keepLargestOfRows(z, m, latents, wanted), m);
}

Deno.test("the largest of each row are those of an exact oracle, whatever it screens with", async () => {
  for (const options of [{}, SMALL]) {
    using gpu = await openGpu(options);
    const all = Infinity;
    const cases = combinations({
      shape: [[1, 3, 1], [24, 20, 65], [150, 13, 150], [7, 16, 400]],
      factors: ALL,
      wanted: [1, 5, 40, all],
      // Room for all, for parts of 64 rows of the third shape, for nearly nothing.
      most: [undefined, 3000, 1],
      among: ["all", "few", "none"],
    }, ({ shape: [n, , m], factors, wanted, among }) => {
      // All of it with the factors that have the widest bounds.
      if (factors !== "int8" && (wanted === 1 || wanted === all)) return false;
      if (among !== "all" && (wanted !== 5 || factors !== "int8")) return false;
      // Ranges of rows, facts of rows and entries are bound whole.
      return options !== SMALL || n <= 100 && n * Math.min(wanted, m) <= 1500;
    });
    for (const { shape: [n, d, m], factors, most, ...one } of cases) {
      const given = wholeNumbers(n + d + m, n, d, m);
      const few = Array.from({ length: m }, (_, i) => i).filter((i) => i % 7 === 3 || i > m - 9);
      const among = { all: undefined, few, none: [] }[one.among];
      const wanted = one.wanted === all ? m : one.wanted;
      const { sparse, failed } = await select(gpu, given, { wanted, factors, most, among });
      const name = `${factors} ${n}×${d}×${m}, ${wanted}, ${most}, of ${among?.length}`;
      assertEquals(sparse, expectedOf(given, wanted, among), name);
      if (most === undefined && options !== SMALL) assertEquals(failed, 0, name);
      if (most === 1 && sparse.values.length > n) assertEquals(failed, 1, name);
    }
  }
});

Deno.test("bits of each row's largest depend on neither the screening nor the way that was taken", async () => {
  using gpu = await openGpu();
  const given = wildNumbers(5, 140, 33, 200);
  for (const wanted of [3, 60]) {
    let first: unknown;
    const ways = { factors: ALL, most: [undefined, 64 * wanted * 3, 1] };
    for (const { factors, most } of combinations(ways)) {
      const { sparse } = await select(gpu, given, { wanted, factors, most });
      first ??= sparse;
      assertEquals(sparse, first, `${factors}, room for ${most}`);
      assert(sparse.values.length > wanted * 50);
    }
  }
});

Deno.test("the largest of rows all of whose values are equal, or not positive", async () => {
  using gpu = await openGpu();
  const [n, d, m] = [70, 8, 300];
  const cases = { bias: [-1, -100], most: [undefined, 2000], wanted: [1, 9, 300] };
  for (const { bias, most, wanted } of combinations(cases)) {
    const given: Given = {
      x: new Float32Array(n * d).fill(1),
      wEnc: new Float32Array(m * d).fill(2),
      bEnc: new Float32Array(m).fill(bias),
      ...{ n, d, m },
    };
    const { sparse } = await select(gpu, given, { wanted, factors: "int8", most });
    assertEquals(sparse, expectedOf(given, wanted), `bias ${bias}, ${wanted}, ${most}`);
  }
});
