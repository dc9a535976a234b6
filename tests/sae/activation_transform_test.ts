import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { evaluateCrossEntropy } from "../../lib/evaluation/evaluate_cross_entropy.ts";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import type { Matrix } from "../../lib/matrix.ts";
import { activationTransform, transformActivations } from "../../lib/sae/activation_transform.ts";
import { openInference } from "../../lib/sae/inference.ts";
import { randomMatrix, randomSae, testOnDevices } from "../gpu_helper.ts";

const [d, m] = [5, 24];
const threshold = new Float32Array(m).fill(0.2);
const plain = randomSae(3, d, m, { k: 3, threshold });
const centred = { ...plain, metadata: { ...plain.metadata, activationTransform: "center" } };

/** Random rows whose means are far from zero, and those means. */
function shifted(seed: number, rows: number): { x: Matrix; shift: Float32Array } {
  const x = randomMatrix(seed, rows, d);
  const shift = randomMatrix(seed + 100, rows, 1).data.map((value) => 4 * value);
  return { x: { ...x, data: x.data.map((value, at) => value + shift[Math.floor(at / d)]) }, shift };
}

/** By the definition, in float64. */
function center({ data, rows, cols }: Matrix): number[] {
  return Array.from({ length: rows }, (_, r) => {
    const row = [...data.subarray(r * cols, (r + 1) * cols)];
    const mean = row.reduce((a, b) => a + b, 0) / cols;
    return row.map((value) => value - mean);
  }).flat();
}

Deno.test("transformActivations centres each row, and what is centred stays", () => {
  const { x } = shifted(1, 7);
  const once = transformActivations(x, "center");
  const wanted = center(x);
  once.data.forEach((value, at) => assertAlmostEquals(value, wanted[at], 1e-6));
  transformActivations(once, "center").data.forEach((value, at) =>
    assertAlmostEquals(value, once.data[at], 1e-6)
  );
  assertEquals(transformActivations(x, undefined), x);
  assertEquals(x.data, shifted(1, 7).x.data, "the input stays");
});

Deno.test("activationTransform reads an SAE's metadata", () => {
  assertEquals([activationTransform(plain), activationTransform(centred)], [undefined, "center"]);
  const other = { ...plain, metadata: { activationTransform: "whiten" } };
  assertThrows(() => activationTransform(other), RangeError, 'is "whiten", expected "center"');
  const stitched = {
    ...{ architecture: "stitched" as const, dModel: d, dictSize: 2, bDec: plain.bDec },
    ...{ small: centred, smallLatents: Uint32Array.of(0), largeLatents: Uint32Array.of(1) },
  };
  assertEquals(activationTransform({ ...stitched, large: centred }), "center");
  assertThrows(
    () => activationTransform({ ...stitched, large: plain }),
    RangeError,
    "small needs center transform of activations, large none",
  );
});

testOnDevices(
  "evaluateSae measures in the centred space, whether batches are centred or not",
  async (open) => {
    using gpu = await open();
    const { x } = shifted(2, 40);
    const own = transformActivations(x, "center");
    const wanted = await evaluateSae(gpu, plain, [own]);
    for (const batch of [x, own]) {
      const found = await evaluateSae(gpu, centred, [batch]);
      assertEquals([found.l0, found.samples], [wanted.l0, 40]);
      for (const name of ["mse", "nmse"] as const) {
        assertAlmostEquals(found[name], wanted[name], 1e-4 * wanted[name]);
      }
    }
    const raw = await evaluateSae(gpu, plain, [x]);
    assertEquals(Math.abs(raw.mse - wanted.mse) > 0.1 * wanted.mse, true, "the transform matters");
  },
);

testOnDevices("evaluateCrossEntropy adds the means to the reconstructions", async (open) => {
  using gpu = await open();
  const { x } = shifted(3, 8);
  using inference = openInference(gpu, plain);
  const own = { data: Float32Array.from(center(x)), rows: 8, cols: d };
  const { residual } = await inference.run(own, { residual: true });
  const replacements: Float32Array[] = [];
  const model = {
    dModel: d,
    activations: () => Promise.resolve(x),
    crossEntropy(_tokens: Int32Array, rows: number, replacement?: Matrix) {
      replacements.push(replacement!.data);
      return Promise.resolve(new Float32Array(rows * 3).fill(replacements.length));
    },
  };
  const rows = [new Int32Array(4), new Int32Array(4)];
  await evaluateCrossEntropy(gpu, model, centred, rows, { skipPositions: [] });
  // The second call is the spliced one: x̂ = x_c − e, and the mean is x − x_c.
  replacements[1].forEach((value, at) => {
    const reconstruction = own.data[at] - residual![at];
    assertAlmostEquals(value, reconstruction + (x.data[at] - own.data[at]), 1e-5);
  });
  assertEquals(replacements[0], x.data);
});
