import { assert, assertEquals, assertThrows } from "@std/assert";
import { covarianceMatchedRows, momentsOfRows } from "../../lib/meta/covariance_matched_rows.ts";
import { randomUnitRows } from "../../lib/meta/random_unit_rows.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { assertClose, randomMatrix } from "../gpu_helper.ts";
import { gaussianMixture, rowMoments } from "../oracles/meta.ts";

/** Rows with a mean, and with variances that fall from 1 to a hundredth along directions of their own. */
function anisotropic(rows: number, d: number): Matrix {
  const [mix, noise] = [randomUnitRows(d, d, { seed: 4 }).data, randomMatrix(5, rows, d).data];
  const data = new Float32Array(rows * d);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < d; i++) {
      const weight = noise[r * d + i] * 10 ** (-i / (d - 1)) + (i === 0 ? 1 : 0);
      for (let c = 0; c < d; c++) data[r * d + c] += weight * mix[i * d + c];
    }
  }
  return { data, rows, cols: d };
}

/** Frobenius norm of the difference of two matrices over that of the second. */
function apart(found: Float64Array, wanted: Float64Array): number {
  const norm = (values: Float64Array) => Math.hypot(...values);
  return norm(found.map((value, at) => value - wanted[at])) / norm(wanted);
}

Deno.test("covariance-matched rows have the mean and the covariance of the rows, at norm 1", () => {
  const source = anisotropic(300, 12);
  const drawn = covarianceMatchedRows(source, { rows: 20_000, seed: 3 });
  for (let at = 0; at < drawn.data.length; at += 12) {
    assert(Math.abs(Math.hypot(...drawn.data.subarray(at, at + 12)) - 1) < 1e-6);
  }
  // The oracle draws them another way, with no factor: the mean, and all rows with normal weights.
  const wanted = rowMoments(gaussianMixture(source, 20_000, 8));
  const found = rowMoments(drawn);
  assert(apart(found.mean, wanted.mean) < 0.03, `${apart(found.mean, wanted.mean)}`);
  const distance = apart(found.covariance, wanted.covariance);
  assert(distance < 0.05, `${distance}`);
  // Norm 1 moves the covariance itself by more than that; isotropic rows have quite another.
  const isotropic = rowMoments(randomUnitRows(20_000, 12, { seed: 3 })).covariance;
  assert(apart(isotropic, wanted.covariance) > 0.5);

  assertEquals(
    covarianceMatchedRows(source, { rows: 5, seed: 3 }),
    covarianceMatchedRows(source, { rows: 5, seed: 3 }),
  );
  assert(
    covarianceMatchedRows(source, { rows: 5, seed: 4 }).data[0] !==
      covarianceMatchedRows(source, { rows: 5, seed: 3 }).data[0],
  );
  assertEquals(covarianceMatchedRows(source).rows, 300);
});

Deno.test("moments of rows equal those of the oracle", () => {
  for (const [rows, d] of [[1, 3], [7, 5], [40, 9]]) {
    const source = randomMatrix(rows, rows, d);
    const { mean, covariance } = momentsOfRows(source);
    const wanted = rowMoments(source);
    assertClose(mean, wanted.mean, "mean", 1e-12);
    for (let i = 0; i < d; i++) {
      assertClose(
        covariance.subarray(i * d, i * d + i + 1),
        wanted.covariance.subarray(i * d, i * d + i + 1),
        "covariance",
        1e-12,
      );
    }
  }
});

Deno.test("fewer rows than dimensions, equal rows and rows of zeros have no spread to draw from", () => {
  // Four rows span three directions around their mean; what is drawn stays in them.
  const few = randomMatrix(1, 4, 10);
  const drawn = covarianceMatchedRows(few, { rows: 50, seed: 1 });
  const basis: number[][] = [];
  const remainder = (row: Float32Array) => {
    const left = [...row];
    for (const axis of basis) {
      const along = axis.reduce((sum, value, c) => sum + value * left[c], 0);
      axis.forEach((value, c) => left[c] -= along * value);
    }
    return left;
  };
  for (let r = 0; r < 4; r++) {
    const left = remainder(few.data.subarray(r * 10, r * 10 + 10));
    const norm = Math.hypot(...left);
    basis.push(left.map((value) => value / norm));
  }
  for (let r = 0; r < 50; r++) {
    const left = Math.hypot(...remainder(drawn.data.subarray(r * 10, r * 10 + 10)));
    assert(left < 1e-5, `${left}`);
  }
  const equal = covarianceMatchedRows({ data: Float32Array.of(3, 4, 3, 4), rows: 2, cols: 2 }, {
    rows: 3,
  });
  assertClose(equal.data, Float32Array.of(0.6, 0.8, 0.6, 0.8, 0.6, 0.8), "equal rows", 1e-6);
  const zeros = covarianceMatchedRows({ data: new Float32Array(4), rows: 2, cols: 2 });
  assertEquals(zeros.data, new Float32Array(4));
});

Deno.test("covarianceMatchedRows names what does not fit", () => {
  const rows = randomMatrix(1, 3, 2);
  for (
    const [work, text] of [
      [
        () => covarianceMatchedRows(rows, { rows: 0 }),
        "rows is 0, expected a whole number above 0",
      ],
      [
        () => covarianceMatchedRows(rows, { rows: 2, seed: 0.5 }),
        "seed is 0.5, expected a whole number",
      ],
      [
        () => covarianceMatchedRows({ ...rows, data: rows.data.with(3, NaN) }),
        "sae.wDec has NaN in row 1, column 1, expected a finite number",
      ],
    ] as const
  ) assertEquals(assertThrows(work, RangeError).message, text);
});
