import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fitLogistic, logOdds } from "../../lib/interpretation/logistic_regression.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";

/** 120 samples of 6 features, and the class of each. */
function samples(): { x: Matrix; positive: number[] } {
  const random = createRandom(5);
  const [rows, cols] = [120, 6];
  const data = Float32Array.from(
    { length: rows * cols },
    (_, i) => Math.max(0, (random.uniform() - 0.6) * (1 + i % cols) * 2) + (i % cols === 2 ? 3 : 0),
  );
  const positive = Array.from({ length: rows }, (_, r) => {
    const odds = 2 * data[r * cols] + 1.5 * data[r * cols + 1] - data[r * cols + 4];
    return random.uniform() < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  });
  return { x: { data, rows, cols }, positive };
}

Deno.test("a fit has the weights of scikit-learn", () => {
  // LogisticRegression(C=C, tol=1e-12, max_iter=10000) of scikit-learn 1.9.1 on the same samples.
  const { x, positive } = samples();
  const first = { ...x, cols: 1, data: x.data.filter((_, i) => i % 6 === 0) };
  for (
    const [c, part, weights, bias] of [
      [
        1,
        x,
        [
          0.6196711925204673,
          1.345561102922705,
          -0.3685553978649275,
          -0.36259894603514425,
          -0.7691186368471761,
          -0.10206659481527927,
        ],
        1.5121778500822076,
      ],
      [1, first, [0.7723525650013663], -0.11886099740776268],
      [
        0.1,
        x,
        [
          0.15337280459388203,
          0.5624429107218478,
          -0.20918656428588195,
          -0.22283398466564913,
          -0.5274553666402217,
          -0.05289050765250869,
        ],
        1.0352807677972422,
      ],
      [100, first, [1.1662666960747248], -0.17775726906744146],
    ] as const
  ) {
    const model = fitLogistic(part, positive, { c });
    weights.forEach((weight, i) => assertAlmostEquals(model.weights[i], weight, 1e-5));
    assertAlmostEquals(model.bias, bias, 1e-5);
  }
});

Deno.test("a fit is where the objective's gradient is zero, whatever the features' scale and mean", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 2 ** 31 }),
    fc.integer({ min: 2, max: 40 }),
    fc.integer({ min: 1, max: 50 }),
    fc.constantFrom(1e-3, 1, 1e3),
    fc.constantFrom(0, 20),
    fc.constantFrom(0.01, 1, 100),
    (seed, rows, cols, scale, shift, c) => {
      const random = createRandom(seed);
      const data = Float32Array.from(
        { length: rows * cols },
        () => scale * (random.uniform() - 0.5 + shift),
      );
      const positive = Array.from({ length: rows }, (_, r) => r === 0 ? 1 : random.below(2));
      if (positive.every((value) => value)) positive[rows - 1] = 0;
      const x = { data, rows, cols };
      const model = fitLogistic(x, positive, { c });
      const excess = logOdds(x, model).map((z, r) => c * (1 / (1 + Math.exp(-z)) - positive[r]));
      const total = excess.reduce((sum, value) => sum + value, 0);
      const size = c * rows;
      assert(Math.abs(total) <= 1e-5 * size, `the bias has a gradient of ${total} of ${size}`);
      for (let i = 0; i < cols; i++) {
        let gradient = model.weights[i];
        let largest = Math.abs(gradient);
        excess.forEach((value, r) => {
          gradient += value * data[r * cols + i];
          largest += Math.abs(value * data[r * cols + i]);
        });
        assert(
          Math.abs(gradient) <= 1e-4 * Math.max(largest, 1e-3),
          `weight ${i} has a gradient of ${gradient}, its parts sum up to ${largest}`,
        );
      }
    },
  ));
});

Deno.test("samples that a line separates have a fit, which separates them", () => {
  const x = { data: Float32Array.of(1, 2, 3, 10, 11, 12), rows: 6, cols: 1 };
  const odds = logOdds(x, fitLogistic(x, [0, 0, 0, 1, 1, 1]));
  assert(odds.every((value, r) => (value > 0) === (r > 2)));
  // A feature that says nothing has no weight, and the bias is the log odds of the classes.
  const flat = fitLogistic({ data: new Float32Array(4), rows: 4, cols: 1 }, [1, 1, 1, 0]);
  assertAlmostEquals(flat.weights[0], 0, 1e-9);
  assertAlmostEquals(flat.bias, Math.log(3), 1e-5);
});

Deno.test("samples that cannot be fitted are refused", () => {
  const x = { data: Float32Array.of(1, 2, 3, 4), rows: 2, cols: 2 };
  for (
    const [run, message] of [
      [() => fitLogistic(x, [1]), "positive has 1 entries, there are 2 samples"],
      [() => fitLogistic(x, [1, 1]), "2 of 2 samples are positive, expected both kinds"],
      [() => fitLogistic(x, [0, 0]), "0 of 2 samples are positive, expected both kinds"],
      [() => fitLogistic(x, [0, 1], { c: 0 }), "c is 0, expected a number above 0"],
      [
        () => fitLogistic({ ...x, data: Float32Array.of(1, 2, NaN, 4) }, [0, 1]),
        "feature 0 of sample 1 is NaN",
      ],
      [
        () => fitLogistic({ ...x, rows: 3 }, [0, 1, 1]),
        "the samples are 3 × 2 with 4 numbers, expected rows · columns",
      ],
      [
        () => logOdds(x, { weights: new Float64Array(3), bias: 0 }),
        "the model has 3 weights, the samples 2 features",
      ],
    ] as const
  ) {
    assertThrows(run, RangeError, message);
  }
});
