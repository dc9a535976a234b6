import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { Matrix } from "../../lib/matrix.ts";
import { estimateInputScale, normalizeInput } from "../../lib/sae/normalize_input.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { assertClose, randomMatrix } from "../gpu_helper.ts";
import { normalizeRow } from "../oracles/normalize_input.ts";

type Normalization = Pick<Sae, "inputNormalization" | "inputScale">;

const KINDS: Normalization[] = [
  { inputNormalization: "layer_norm" },
  { inputNormalization: "constant_norm_rescale" },
  { inputNormalization: "expected_average_only_in", inputScale: 0.3 },
];

const rowsOf = ({ data, rows, cols }: Matrix) =>
  Array.from({ length: rows }, (_, r) => [...data.subarray(r * cols, (r + 1) * cols)]);
const norm = (row: number[]) => Math.hypot(...row);

Deno.test("no normalisation gives the samples themselves", () => {
  const x = randomMatrix(1, 4, 3);
  const normalized = normalizeInput({ inputNormalization: "none" }, x);
  assertStrictEquals(normalized.x, x);
  assertEquals([...normalized.scale], [1, 1, 1, 1]);
});

Deno.test("samples by hand", () => {
  const x = { data: Float32Array.of(1, 2, 3, 6, 0, 0, 0, 0, 5, 5, 5, 5), rows: 3, cols: 4 };
  const layer = normalizeInput({ inputNormalization: "layer_norm" }, x);
  // Mean 3, squares 4 + 1 + 0 + 9 = 14 over 3.
  const deviation = Math.sqrt(14 / 3) + 1e-5;
  assertClose(layer.x.data, [-2, -1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0].map((v) => v / deviation), "x");
  assertClose(layer.scale, [deviation, 1e-5, 1e-5], "scale", 1e-7);
  const constant = normalizeInput({ inputNormalization: "constant_norm_rescale" }, x);
  const unit = Math.sqrt(50) / 2;
  assertClose(constant.scale, [unit, 0, 5], "scale", 1e-7);
  const wanted = [1, 2, 3, 6].map((v) => v / unit);
  assertClose(constant.x.data, [...wanted, 0, 0, 0, 0, 1, 1, 1, 1], "x", 1e-7);
  const average = { inputNormalization: "expected_average_only_in", inputScale: 0.5 } as const;
  const halved = normalizeInput(average, x);
  assertEquals([...halved.x.data], [0.5, 1, 1.5, 3, 0, 0, 0, 0, 2.5, 2.5, 2.5, 2.5]);
  assertEquals([...halved.scale], [2, 2, 2]);
});

Deno.test("every kind agrees with the oracle and takes errors back to the raw space", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 1000 }),
      fc.constantFrom(1e-6, 1, 1e4),
      (kind, n, d, seed, size) => {
        const x = randomMatrix(seed, n, d, size);
        const copy = structuredClone(x);
        const { x: normalized, scale } = normalizeInput(kind, x);
        assertEquals(x, copy);
        assertEquals([normalized.rows, normalized.cols, scale.length], [n, d, n]);
        for (const [r, row] of rowsOf(x).entries()) {
          const wanted = normalizeRow(kind, row);
          const own = rowsOf(normalized)[r];
          assertClose(own, wanted.x, "x", 1e-6);
          assertClose([scale[r]], [wanted.scale], "scale", 1e-6);
          // x̂_n = 0: what is left of the sample is what the normalisation took from it.
          const back = own.map((value, c) => row[c] - scale[r] * value);
          if (kind.inputNormalization !== "layer_norm") {
            assertClose(
              [...back, size],
              [...row.map(() => 0), size],
              "x̂",
              1e-6,
            );
          } else assertClose([...back, size], [...row.map(() => wanted.mean), size], "x̂", 1e-5);
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("norms and deviations are what the kinds promise", () => {
  const x = randomMatrix(7, 20, 50, 3);
  const constant = normalizeInput({ inputNormalization: "constant_norm_rescale" }, x);
  for (const row of rowsOf(constant.x)) assertAlmostEquals(norm(row), Math.sqrt(50), 1e-5);
  const inputScale = estimateInputScale(x);
  const average = normalizeInput({ inputNormalization: "expected_average_only_in", inputScale }, x);
  const mean = rowsOf(average.x).reduce((sum, row) => sum + norm(row) / 20, 0);
  assertAlmostEquals(mean, Math.sqrt(50), 1e-5);
});

Deno.test("zeros and constants give no NaN", () => {
  for (const kind of KINDS) {
    for (const cols of [1, 2, 5]) {
      for (const value of [0, -3]) {
        const x = { data: new Float32Array(2 * cols).fill(value), rows: 2, cols };
        const { x: normalized, scale } = normalizeInput(kind, x);
        assert(normalized.data.every(Number.isFinite), `${kind.inputNormalization} of ${value}`);
        assert(scale.every(Number.isFinite));
        if (value === 0) assert(normalized.data.every((v) => v === 0));
      }
    }
  }
});

Deno.test("a normalisation that cannot be done is refused", () => {
  const x = randomMatrix(1, 2, 3);
  const cases: [unknown, string][] = [
    [
      { inputNormalization: "batch" },
      "sae.inputNormalization is batch, expected one of none, layer_",
    ],
    [
      { inputNormalization: "expected_average_only_in" },
      "sae.inputScale is missing: the SAE reads activations that were scaled",
    ],
    [
      { inputNormalization: "expected_average_only_in", inputScale: 0 },
      "sae.inputScale is 0, expected a number above 0",
    ],
    [
      { inputNormalization: "expected_average_only_in", inputScale: Infinity },
      "sae.inputScale is Infinity, expected a number above 0",
    ],
    [
      { inputNormalization: "layer_norm", inputScale: 2 },
      "sae.inputScale is 2, layer_norm has none",
    ],
  ];
  for (const [sae, text] of cases) {
    assertThrows(() => normalizeInput(sae as Sae, x), RangeError, text);
  }
});
