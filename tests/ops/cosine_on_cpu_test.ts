// The cosine search on the CPU against a plain loop over all pairs, bit by bit, however it is run.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDevice } from "../../lib/device/open_device.ts";
import type { DeviceOptions } from "../../lib/device/device.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Progress } from "../../lib/progress.ts";
import { dot } from "../../lib/ops/arithmetic.ts";
import { searchEdges, searchMaxima } from "../../lib/ops/cosine_search.ts";
import { unitRows } from "../../lib/ops/unit_rows.ts";
import { createRandom } from "../../lib/random.ts";
import { combinations } from "../depth.ts";
import { randomMatrix } from "../gpu_helper.ts";

/** A product with 7 bits on one side, as processors without 8-bit dot products get it. */
const SEVEN_BITS = `data:text/javascript,
  export const createIntegerProduct = () => ({
    bits: 7,
    zero: 64,
    multiply(a, b, { rows, inner, cols }) {
      const out = new Int32Array(rows * cols);
      for (let r = 0; r < rows; r++) for (let k = 0; k < inner; k++) for (let c = 0; c < cols; c++) {
        if (a[r * inner + k] > 127) throw new Error("more than 7 bits");
        out[r * cols + c] += (a[r * inner + k] - 64) * b[k * cols + c];
      }
      return out;
    },
  });`;

const DEVICES: DeviceOptions[] = [
  { workers: 0 },
  { workers: 0, simd: false, integerProduct: false },
  { workers: 2 },
  { workers: 2, simd: false },
  { workers: 3, integerProduct: false },
  { workers: 0, integerProduct: SEVEN_BITS },
];

/** Limits within which 128 rows of 1024 numbers fit into a buffer. */
const SMALL = { limits: { maxStorageBufferBindingSize: 2 ** 19 } };

/** Rows that screening could get wrong: see the comments. */
function adversarialRows(seed: number, rows: number, cols: number): Matrix {
  const random = createRandom(seed);
  // Directions that both sides share.
  const shared = randomMatrix(7, 4, cols).data;
  const data = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * cols, (row + 1) * cols);
    const base = shared.subarray(row % 4 * cols, (row % 4 + 1) * cols);
    const kind = random.below(8);
    for (let c = 0; c < cols; c++) {
      const noise = random.uniform() + random.uniform() - 1;
      own[c] = [
        0, // zeros
        base[c], // equals
        base[c] * (1 + 1e-6 * noise), // all but equal
        noise * 1e38, // huge
        noise * 1e-44, // subnormal
        c === 3 ? 1000 : noise, // one large column
        -base[c], // opposite
        noise,
      ][kind];
    }
  }
  return { data, rows, cols };
}

/** Every cosine as the contract has it: float32 rows at norm 1, `dot`, cut to [−1, 1]. */
function exactCosines(a: Matrix, b: Matrix): Float32Array {
  const unit = ({ data, rows, cols }: Matrix) => {
    const out = new Float32Array(rows * cols);
    for (let row = 0; row < rows; row++) {
      let squares = 0;
      for (let c = 0; c < cols; c++) squares += data[row * cols + c] ** 2;
      const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
      for (let c = 0; c < cols; c++) out[row * cols + c] = data[row * cols + c] * scale;
    }
    return out;
  };
  const [x, y, d] = [unit(a), unit(b), a.cols];
  return Float32Array.from({ length: a.rows * b.rows }, (_, at) => {
    const value = dot(x, Math.floor(at / b.rows) * d, y, at % b.rows * d, d);
    return Math.max(-1, Math.min(1, value));
  });
}

function exactMaxima(table: Float32Array, rows: number, cols: number, skipSame: boolean) {
  const cosine = new Float32Array(rows).fill(-2);
  const nearest = new Uint32Array(rows);
  for (let at = 0; at < table.length; at++) {
    const [row, col] = [Math.floor(at / cols), at % cols];
    if (table[at] <= cosine[row] || skipSame && row === col) continue;
    cosine[row] = table[at];
    nearest[row] = col;
  }
  return { cosine, nearest };
}

Deno.test("cosines on the CPU are those of a plain loop, to the bit, whoever computes them", async () => {
  const shapes: [number, Matrix, Matrix][] = [
    [0.3, randomMatrix(1, 150, 37), randomMatrix(2, 2100, 37)],
    [0.9, adversarialRows(3, 300, 31), adversarialRows(4, 200, 31)],
    [1, adversarialRows(5, 130, 5), adversarialRows(6, 131, 5)],
    [-1, adversarialRows(7, 9, 64), adversarialRows(8, 40, 64)],
    [-0.2, adversarialRows(9, 1, 18), adversarialRows(10, 1, 18)],
  ];
  for (const { options, shape } of combinations({ options: DEVICES, shape: shapes })) {
    const [threshold, a, b] = shape;
    using device = await openDevice({ device: "cpu", ...options });
    const table = exactCosines(a, b);
    const name = `${JSON.stringify(options)} ${a.rows}×${b.rows}×${a.cols}`;
    const [rows, others] = [unitRows(a, "a"), unitRows(b, "b")];
    for (const skipSame of b.rows > 1 ? [false, true] : [false]) {
      const found = await searchMaxima(device, rows, others, { skipSame });
      assertEquals(found, exactMaxima(table, a.rows, b.rows, skipSame), name);
    }
    const edges: number[] = [];
    const edge = (i: number, j: number) => edges.push(i * b.rows + j);
    await searchEdges(device, rows, others, Math.fround(threshold), edge);
    const expected = [...table.keys()].filter((at) => table[at] >= Math.fround(threshold));
    assertEquals(edges, expected, `${name}: edges`);
    assertEquals(device.allocated, 0);
  }
});

Deno.test("a search on the CPU in several blocks of columns and pieces of rows finds the same", async () => {
  const [a, b] = [adversarialRows(1, 300, 1024), adversarialRows(2, 270, 1024)];
  const table = exactCosines(a, b);
  const edges = [...table.keys()].filter((at) => table[at] >= 0.5).map(String);
  for (const workers of [0, 2]) {
    using device = await openDevice({ device: "cpu", workers, ...SMALL });
    const [rows, others] = [unitRows(a, "a"), unitRows(b, "b")];
    for (const skipSame of [false, true]) {
      const seen: number[] = [];
      const onProgress = ({ done }: Progress) => seen.push(done);
      const found = await searchMaxima(device, rows, others, { skipSame, onProgress });
      assertEquals(found, exactMaxima(table, a.rows, b.rows, skipSame));
      assertEquals(seen.length, 9);
    }
    const found: string[] = [];
    await searchEdges(device, rows, others, 0.5, (i, j) => found.push(String(i * b.rows + j)));
    assertEquals(found.sort(), edges.toSorted());
  }
});

Deno.test("opposite rows alone: every cosine is cut to −1, the first column has it", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  for (let seed = 1; seed <= 20; seed++) {
    const { data } = randomMatrix(seed, 1, 29);
    // Multiples whose rounding to norm 1 differs: exact dots lie on both sides of −1.
    const factors = [3, 1, 7, 0.1, 5];
    const b = Float32Array.from(factors.flatMap((factor) => [...data].map((x) => -factor * x)));
    const found = await searchMaxima(
      device,
      unitRows({ data, rows: 1, cols: 29 }, "a"),
      unitRows({ data: b, rows: 5, cols: 29 }, "b"),
    );
    const table = exactCosines({ data, rows: 1, cols: 29 }, { data: b, rows: 5, cols: 29 });
    assertEquals(found, exactMaxima(table, 1, 5, false));
  }
});

Deno.test("screening leaves few pairs to exact dots, and says how many", async () => {
  using device = await openDevice({ device: "cpu", workers: 2 });
  const [a, b] = [randomMatrix(1, 200, 128), randomMatrix(2, 3000, 128)];
  const [rows, others] = [unitRows(a, "a"), unitRows(b, "b")];
  let last: Progress & { candidates?: number } | undefined;
  const onProgress = (progress: Progress & { candidates?: number }) => last = progress;
  await searchMaxima(device, rows, others, { onProgress });
  assertEquals([last?.done, last?.total], [600000, 600000]);
  const candidates = last!.candidates!;
  assert(candidates >= 200 && candidates < 20 * 200, `${candidates} candidates`);
  await searchEdges(device, rows, others, 0.9, () => {}, { onProgress });
  assertEquals(last?.candidates, 0);
});

Deno.test("a search on the CPU ends between two pieces, and frees what it took", async () => {
  using device = await openDevice({ device: "cpu", workers: 0, ...SMALL });
  const rows = unitRows(randomMatrix(1, 300, 1024), "a");
  const stop = new AbortController();
  const seen: number[] = [];
  const onProgress = ({ done }: Progress) => {
    seen.push(done);
    if (seen.length === 2) stop.abort(new Error("enough"));
  };
  await assertRejects(
    () => searchMaxima(device, rows, rows, { signal: stop.signal, onProgress }),
    Error,
    "enough",
  );
  assertEquals(seen, [128 * 128, 2 * 128 * 128]);
  assertEquals(device.allocated, 0);
  using narrow = await openDevice({
    device: "cpu",
    workers: 0,
    limits: { maxStorageBufferBindingSize: 32 },
  });
  await assertRejects(
    () => searchMaxima(narrow, rows, rows),
    DeviceError,
    "unit rows needs 4.0 KiB in one buffer, this device allows 32 bytes",
  );
  assertEquals(narrow.allocated, 0);
});
