// Verifies the oracle's gradients by finite differences of its loss.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom } from "../../lib/random.ts";
import { randomMatrix, randomSae } from "../gpu_helper.ts";
import { createOracle, ORACLE_DEFAULTS, oracleStep } from "./batchtopk.ts";
import { keepLargest, keepLargestOfRows } from "./dense.ts";
import { forward, gradientsAt, lossesAt } from "./gradients.ts";

const [n, d, m] = [7, 5, 12];

Deno.test("the oracle's gradients are finite differences of its loss, the selection being fixed", () => {
  for (const subtractDecoderBias of [true, false]) {
    const lossNormalization = subtractDecoderBias ? "none" : "input_deviation";
    const options = { auxCoefficient: 0.7, subtractDecoderBias, lossNormalization } as const;
    const weights = createOracle(randomSae(1, d, m));
    const x = randomMatrix(2, n, d).data;
    const nothing = new Uint8Array(n * m);
    const { z } = forward(weights, x, { kept: nothing, auxiliary: nothing }, options);
    const dead = [1, 4, 5, 10];
    const alive = z.map((value, at) => dead.includes(at % m) ? 0 : value);
    const selection = {
      kept: keepLargest(alive, 3 * n),
      auxiliary: keepLargestOfRows(z, m, dead, 2),
    };
    assert(selection.kept.includes(1) && selection.auxiliary.includes(1));
    const gradients = gradientsAt(weights, x, selection, options);
    // What dead latents reconstruct is a constant of their loss.
    const { residual } = forward(weights, x, selection, options);
    const loss = () => {
      const { reconstruction, auxiliary } = lossesAt(weights, x, selection, options, residual);
      return reconstruction + auxiliary;
    };
    for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) {
      let moved = 0;
      for (let at = 0; at < weights[name].length; at++) {
        const value = weights[name][at];
        const h = 1e-5;
        weights[name][at] = value + h;
        const above = loss();
        weights[name][at] = value - h;
        const below = loss();
        weights[name][at] = value;
        const slope = (above - below) / (2 * h);
        assertAlmostEquals(gradients[name][at], slope, 1e-8, `${name}[${at}]`);
        if (Math.abs(slope) > 1e-4) moved++;
      }
      assert(moved > weights[name].length / 3, `${name}: only ${moved} slopes are not zero`);
    }
  }
});

Deno.test("the oracle learns: its loss falls, decoder rows keep norm 1, latents die", () => {
  const state = createOracle(randomSae(1, d, m));
  const random = createRandom(1);
  const options = { ...ORACLE_DEFAULTS, k: 2, learningRate: 0.01, auxK: 3, deadAfter: 2 };
  const x = randomMatrix(random.below(1000), 40, d).data;
  const records = Array.from({ length: 300 }, () => oracleStep(state, x, options));
  assert(records[299].loss < 0.5 * records[0].loss);
  assert(records.every(({ kept }) => kept === 80));
  assert(records.some(({ dead }) => dead > 0));
  assert(records.every(({ dead, auxiliaryLoss }) => (dead > 0) === (auxiliaryLoss > 0)));
  assertEquals(records[0].dead, 0);
  for (let i = 0; i < m; i++) {
    assertAlmostEquals(Math.hypot(...state.wDec.subarray(i * d, (i + 1) * d)), 1, 1e-12);
  }
});
