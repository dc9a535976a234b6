// Verifies the oracle of ReLU and JumpReLU by finite differences.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { randomMatrix, randomSae } from "../gpu_helper.ts";
import { createOracle } from "./batchtopk.ts";
import { minusDecoded, sampleScales, scaledMeanSquare } from "./dense.ts";
import {
  forwardRagged,
  raggedGradients,
  raggedLosses,
  type RaggedOptions,
  type RaggedWeights,
} from "./ragged.ts";

const [n, d, m] = [7, 5, 12];
const NAMES = ["wEnc", "bEnc", "wDec", "bDec"] as const;
const CASES = [true, false].flatMap((subtractDecoderBias) =>
  (["none", "input_deviation"] as const).map((lossNormalization): RaggedOptions => ({
    subtractDecoderBias,
    lossNormalization,
    sparsityCoefficient: 0.03,
    bandwidth: 0.4,
  }))
);

/** (loss(value + h) − loss(value − h)) / 2h. */
function slopeOf(values: Float64Array, at: number, loss: () => number, h = 1e-6): number {
  const value = values[at];
  values[at] = value + h;
  const above = loss();
  values[at] = value - h;
  const below = loss();
  values[at] = value;
  return (above - below) / (2 * h);
}

Deno.test("ReLU's gradients are finite differences of its loss", () => {
  for (const options of CASES) {
    const weights = createOracle(randomSae(1, d, m));
    const x = randomMatrix(2, n, d).data;
    const gradients = raggedGradients(weights, x, options);
    const loss = () => {
      const { reconstruction, sparsity } = raggedLosses(weights, x, options);
      return reconstruction + sparsity;
    };
    for (const name of NAMES) {
      for (let at = 0; at < weights[name].length; at++) {
        const slope = slopeOf(weights[name], at, loss);
        assertAlmostEquals(gradients[name][at], slope, 1e-7, `${name}[${at}]`);
      }
    }
  }
});

Deno.test("JumpReLU's gradients: slopes where it is smooth, straight-through ones by θ", () => {
  for (const options of CASES) {
    // θ below and above half the bandwidth, so that z = 0 lies in the window of some.
    const theta = Float64Array.from({ length: m }, (_, i) => 0.05 + 0.06 * i);
    const weights: RaggedWeights = {
      ...createOracle(randomSae(1, d, m)),
      logTheta: theta.map(Math.log),
    };
    const x = randomMatrix(2, n, d).data;
    const gradients = raggedGradients(weights, x, options);
    // The selection does not change for so small a step: no z is that near to its θ.
    for (const name of NAMES) {
      for (let at = 0; at < weights[name].length; at++) {
        const slope = slopeOf(
          weights[name],
          at,
          () => raggedLosses(weights, x, options).reconstruction,
        );
        assertAlmostEquals(gradients[name][at], slope, 1e-7, `${name}[${at}]`);
      }
    }
    // By θ: with f moved by −(θ/ε)·r and L0 by −(1/ε)·r for each unit, by definition.
    const { z, f, centered } = forwardRagged(weights, x, options);
    const scales = sampleScales(x, d, options.lossNormalization);
    const { bandwidth, sparsityCoefficient } = options;
    const moved = new Float64Array(m);
    const loss = () => {
      const rectangles = z.map((value, at) =>
        Math.abs(value - theta[at % m]) < bandwidth / 2 ? moved[at % m] / bandwidth : 0
      );
      const own = f.map((value, at) => value - theta[at % m] * rectangles[at]);
      const e = minusDecoded(centered, own, weights.wDec, n, d, m);
      const l0 = rectangles.reduce((sum, value) => sum - value, 0) / n;
      return scaledMeanSquare(e, scales, d) + sparsityCoefficient * l0;
    };
    let zeros = 0;
    for (let i = 0; i < m; i++) {
      const slope = theta[i] * slopeOf(moved, i, loss);
      assertAlmostEquals(gradients.logTheta[i], slope, 1e-7, `log θ of ${i}`);
      if (theta[i] < bandwidth / 2) zeros += z.filter((v, at) => at % m === i && v === 0).length;
    }
    assert(zeros > 3);
  }
});

Deno.test("sampleScales: one over the distance from the mean, nothing for the mean itself", () => {
  const x = [3, 4, -3, -4, 0, 0];
  assertEquals([...sampleScales(x, 2, "input_deviation")], [0.2, 0.2, 0]);
  assertEquals([...sampleScales(x, 2, "none")], [1, 1, 1]);
});
