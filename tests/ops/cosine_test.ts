import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { openDevice } from "../../lib/device/open_device.ts";
import type { Device, DeviceOptions } from "../../lib/device/device.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { chooseCosineKernel, type CosineKernel } from "../../lib/ops/cosine.ts";
import { ceilFloat32, searchEdges, searchMaxima } from "../../lib/ops/cosine_search.ts";
import { packRows, unitRows } from "../../lib/ops/unit_rows.ts";
import { createRandom } from "../../lib/random.ts";
import { combinations, someOf } from "../depth.ts";
import { assertClose, NARROW, openGpu, presentAs, randomMatrix, SMALL } from "../gpu_helper.ts";
import { cosines, rowMaxima } from "../oracles/cosine.ts";

/** The kernels of a GPU, and the loops of the CPU. */
const WAYS = ["lanes", "tiled", "cpu"] as const;
type Way = typeof WAYS[number];

/**
 * The device that a way takes. The CPU has no use for small buffers: cosine_on_cpu_test.ts tries how it
 * splits its work.
 */
async function open(way: Way, options: DeviceOptions = {}): Promise<Device> {
  return way === "cpu" ? await openDevice({ device: "cpu", workers: 0 }) : await openGpu(options);
}

const kernelOf = (way: Way): CosineKernel | undefined => way === "cpu" ? undefined : way;

/** Rows of ±1: their norm is 4, so that all cosines are exact eighths, with many ties. */
function signs(seed: number, rows: number): Matrix {
  const random = createRandom(seed);
  const data = Float32Array.from({ length: rows * 16 }, () => random.below(2) * 2 - 1);
  return { data, rows, cols: 16 };
}

async function check(
  device: Device,
  a: Matrix,
  b: Matrix,
  { way, ...given }: { way: Way; skipSame?: boolean },
  bound = 1e-5,
): Promise<void> {
  const options = { ...given, kernel: kernelOf(way) };
  const name = `${way} ${a.rows}×${b.rows}×${a.cols}`;
  const actual = await searchMaxima(device, unitRows(a, "a"), unitRows(b, "b"), options);
  const table = cosines(a, b);
  const expected = rowMaxima(table, options.skipSame);
  assertClose(actual.cosine, expected.cosine, name, bound);
  for (let i = 0; i < a.rows; i++) {
    const [found, wanted] = [actual.nearest[i], expected.nearest[i]];
    // Two cosines may be nearer to one another than float32 tells.
    if (bound === 0) assertEquals(found, wanted, `${name}: row ${i}`);
    else assert(Math.abs(table[i][found] - table[i][wanted]) <= 1e-6, `${name}: row ${i}`);
    assert(!(options.skipSame && found === i));
  }
  assertEquals(device.allocated, 0);
}

async function edgesOf(
  device: Device,
  a: Matrix,
  b: Matrix,
  threshold: number,
  way: Way,
): Promise<string[]> {
  const found: string[] = [];
  const edge = (i: number, j: number) => found.push(`${i} ${j}`);
  const options = { kernel: kernelOf(way) };
  await searchEdges(device, unitRows(a, "a"), unitRows(b, "b"), threshold, edge, options);
  return found.sort();
}

Deno.test("searchMaxima agrees with its oracle: every way, any shape, blocks and pieces", async () => {
  const cases: [DeviceOptions, number[][]][] = [
    [{}, [[1, 1, 1], [1, 300, 5], [300, 1, 4], [17, 257, 33], [130, 129, 8], [40, 515, 70]]],
    [NARROW, [[19, 2050, 3], [390, 1000, 6]]],
    // Columns in several blocks, rows in several pieces.
    [SMALL, [[1, 1, 1], [150, 1100, 8], [300, 530, 5]]],
  ];
  for (const [options, shapes] of cases) {
    for (const { way, shape } of combinations({ way: WAYS, shape: shapes })) {
      using device = await open(way, options);
      const [m1, m0, d] = shape;
      await check(device, randomMatrix(m1, m1, d), randomMatrix(m0 + 1000, m0, d), { way });
    }
  }
});

Deno.test("searchMaxima takes rows that need several uniform buffers", async () => {
  using gpu = await openGpu();
  for (const [d, rows] of someOf([[1024, 17], [1027, 17], [2050, 5], [4100, 16], [8192, 3]], 2)) {
    assertEquals(chooseCosineKernel(presentAs(gpu, "software"), Math.ceil(d / 4)), "lanes");
    const [a, b] = [randomMatrix(d, rows, d), randomMatrix(d + 1, 20, d)];
    await check(gpu, a, b, { way: "lanes" });
  }
  assertEquals(chooseCosineKernel(presentAs(gpu, "software"), 2049), "tiled");
  assertEquals(chooseCosineKernel(presentAs(gpu, "hardware"), 1), "tiled");
});

Deno.test("searchMaxima: of equal cosines the lowest index, wherever they are", async () => {
  const shape = [[20, 700], [140, 300], [300, 2]];
  for (
    const { options, way, shape: [m1, m0] } of combinations({
      options: [{}, SMALL],
      way: WAYS,
      shape,
    })
  ) {
    using device = await open(way, options);
    // A SMALL device's binding holds no panel of 128 rows of 16 numbers in `tiled`.
    const narrow = (x: Matrix) => options === SMALL ? firstColumns(x, 4) : x;
    await check(device, narrow(signs(m1, m1)), narrow(signs(m0, m0)), { way }, 0);
  }
});

/** The first columns of rows of ±1: four of them have norm 2, cosines are halves. */
function firstColumns({ data, rows, cols }: Matrix, count: number): Matrix {
  return { data: data.filter((_, at) => at % cols < count), rows, cols: count };
}

Deno.test("searchMaxima without the same row finds the next one, below zero too", async () => {
  for (const options of [{}, SMALL]) {
    for (const way of WAYS) {
      using device = await open(way, options);
      for (const [rows, d] of [[2, 1], [2, 7], [290, 3], [600, 8]]) {
        const a = randomMatrix(rows + d, rows, d);
        await check(device, a, a, { way, skipSame: true });
      }
      const opposite = { data: Float32Array.of(1, 2, -1, -2), rows: 2, cols: 2 };
      const own = unitRows(opposite, "a");
      const found = await searchMaxima(device, own, own, {
        kernel: kernelOf(way),
        skipSame: true,
      });
      assertClose(found.cosine, [-1, -1], "opposite", 1e-6);
      assertEquals([...found.nearest], [1, 0]);
    }
  }
});

Deno.test("searchEdges finds each pair that reaches the threshold once, and no other", async () => {
  for (const options of [{}, NARROW, SMALL]) {
    const width = options === SMALL ? 4 : 16;
    for (const way of WAYS) {
      using device = await open(way, options);
      for (const [m1, m0] of [[1, 1], [21, 300], [141, 270]]) {
        const [a, b] = [signs(m1, m1), signs(m0 + 9, m0)].map((x) => firstColumns(x, width));
        const table = cosines(a, b);
        const thresholds = [-1, -0.5, 0.25, 0.5, 0.5 + 2 ** -50, 0.5 - 2 ** -50, 1];
        for (const threshold of way === "cpu" ? thresholds : someOf(thresholds, 2)) {
          const expected = table.flatMap((row, i) =>
            row.flatMap((value, j) => value >= threshold ? [`${i} ${j}`] : [])
          );
          const actual = await edgesOf(device, a, b, threshold, way);
          assertEquals(actual, expected.sort(), `${way} ${m1}×${m0} at ${threshold}`);
        }
      }
      assertEquals(device.allocated, 0);
    }
  }
});

Deno.test("edges are the cosines that searchMaxima reports, to the last bit", async () => {
  const [a, b] = [randomMatrix(1, 60, 37), randomMatrix(2, 280, 37)];
  for (const way of WAYS) {
    using device = await open(way);
    const options = { kernel: kernelOf(way) };
    const { cosine, nearest } = await searchMaxima(
      device,
      unitRows(a, "a"),
      unitRows(b, "b"),
      options,
    );
    for (const i of [0, 31, 59]) {
      const pair = `${i} ${nearest[i]}`;
      assert((await edgesOf(device, a, b, cosine[i], way)).includes(pair));
      assert(!(await edgesOf(device, a, b, cosine[i] + 1e-12, way)).includes(pair));
    }
  }
});

Deno.test("packRows: panels of unit rows, zeros where there is no number", () => {
  const matrix = {
    data: Float32Array.of(3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2),
    rows: 3,
    cols: 5,
  };
  const rows = unitRows(matrix, "x");
  assertEquals([...rows.scales], [1 / 5, 0, 1 / Math.sqrt(5)]);
  const [a, b] = [3, 4].map((value) => Math.fround(value / 5));
  const [c, e] = [1, 2].map((value) => Math.fround(value / Math.sqrt(5)));
  assertEquals([...packRows(rows, 0, 1, 1)], [a, b, 0, 0, 0, 0, 0, 0]);
  assertEquals([...packRows(rows, 0, 3, 2)], [
    ...[a, b, 0, 0, 0, 0, 0, 0, /* second vectors */ 0, 0, 0, 0, 0, 0, 0, 0],
    ...[0, c, 0, 0, 0, 0, 0, 0, /* second vectors */ e, 0, 0, 0, 0, 0, 0, 0],
  ]);
});

Deno.test("unitRows holds the range of float32 and names what is not finite", () => {
  for (const size of [3e38, 1e-44, 1]) {
    const [size32] = Float32Array.of(size);
    const { scales } = unitRows({ data: Float32Array.of(size, 0), rows: 1, cols: 2 }, "x");
    assertEquals(scales[0], 1 / size32);
  }
  const data = new Float32Array(12);
  const cases: [Matrix, string][] = [
    [{ data: data.with(7, NaN), rows: 4, cols: 3 }, "x is not finite in row 2, column 1: NaN"],
    [{ data: data.with(11, -Infinity), rows: 4, cols: 3 }, "row 3, column 2: -Infinity"],
    [{ data, rows: 4, cols: 4 }, "x has 12 numbers, expected [4, 4] = 16"],
    [{ data: new Float32Array(), rows: 0, cols: 4 }, "x is [0, 4], expected at least one row"],
    [{ data: new Float32Array(), rows: 4, cols: 0 }, "x is [4, 0], expected at least one row"],
  ];
  for (const [matrix, text] of cases) {
    assertThrows(() => unitRows(matrix, "x"), RangeError, text);
  }
});

Deno.test("a device that binds not one panel is told how much it takes", async () => {
  using gpu = await openGpu({ limits: { maxStorageBufferBindingSize: 1024 } });
  const rows = unitRows(randomMatrix(1, 3, 8), "x");
  await assertRejects(
    () => searchMaxima(gpu, rows, rows, { kernel: "tiled" }),
    DeviceError,
    "128 rows of 8 numbers need 4096 bytes at once, this device binds 1024",
  );
  await assertRejects(
    () => searchMaxima(gpu, rows, rows, { kernel: "lanes" }),
    DeviceError,
    "256 rows",
  );
});

Deno.test("ceilFloat32 is the smallest float32 that reaches a number", () => {
  assertEquals(ceilFloat32(0.5), 0.5);
  assertEquals(ceilFloat32(0), 0);
  assertEquals(ceilFloat32(1e-50), 2 ** -149);
  assert(Math.fround(0.7) < 0.7 && Math.fround(-0.7) > -0.7);
  fc.assert(fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (value) => {
    const least = ceilFloat32(value);
    assertEquals(Math.fround(least), least);
    assert(least >= value);
    const bits = new Int32Array(Float32Array.of(least).buffer);
    bits[0] += least > 0 ? -1 : 1;
    const below = least === 0 ? -(2 ** -149) : new Float32Array(bits.buffer)[0];
    assert(below < value);
  }));
});
