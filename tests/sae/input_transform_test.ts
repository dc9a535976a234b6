import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { evaluateCrossEntropy } from "../../lib/evaluation/evaluate_cross_entropy.ts";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { decompose } from "../../lib/meta/decompose.ts";
import { checkSae } from "../../lib/sae/check.ts";
import { encode, reconstruct } from "../../lib/sae/encode.ts";
import { openInference } from "../../lib/sae/inference.ts";
import { transformInput } from "../../lib/sae/input_transform.ts";
import { normalizeInput } from "../../lib/sae/normalize_input.ts";
import type { InputNormalization, Sae } from "../../lib/sae/sae.ts";
import { stitch } from "../../lib/stitching/stitch.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { assertClose, randomMatrix, randomSae, testOnCpu, testOnDevices } from "../gpu_helper.ts";
import { withSpliceLosses } from "../evaluation/with_splice_losses.ts";
import { infer } from "../oracles/inference.ts";

const [d, m] = [5, 24];
const threshold = new Float32Array(m).fill(0.2);
const plain = randomSae(3, d, m, { k: 3, threshold });
const centring: Sae = { ...plain, inputTransform: "center" };

/** Random rows whose means are far from zero. */
function shifted(seed: number, rows: number): Matrix {
  const x = randomMatrix(seed, rows, d);
  const shift = randomMatrix(seed + 100, rows, 1).data.map((value) => 4 * value);
  return { ...x, data: x.data.map((value, at) => value + shift[Math.floor(at / d)]) };
}

/** By the definition, in float64. */
function center({ data, rows, cols }: Matrix): Matrix {
  const centred = Array.from({ length: rows }, (_, r) => {
    const row = [...data.subarray(r * cols, (r + 1) * cols)];
    const mean = row.reduce((a, b) => a + b, 0) / cols;
    return row.map((value) => value - mean);
  });
  return { data: Float32Array.from(centred.flat()), rows, cols };
}

Deno.test("transformInput centres each row, and what is centred stays", () => {
  const x = shifted(1, 7);
  const once = transformInput(centring, x);
  assertClose(once.data, center(x).data, "centred", 1e-6);
  assertClose(transformInput(centring, once).data, once.data, "centred twice", 1e-6);
  assert(transformInput(plain, x) === x);
  assert(transformInput({ inputTransform: "none" }, x) === x);
  assertEquals(x.data, shifted(1, 7).data, "the input stays");
});

Deno.test("checkSae refuses a transform that it does not know", () => {
  checkSae(centring);
  checkSae({ ...plain, inputTransform: "none" });
  const other = { ...plain, inputTransform: "whiten" as "center" };
  assertThrows(
    () => checkSae(other),
    RangeError,
    'sae.inputTransform is "whiten", expected one of none, center',
  );
});

testOnDevices("encode and reconstruct centre the samples and give them back", async (open) => {
  using gpu = await open();
  const x = shifted(4, 30);
  const own = center(x);
  const kinds: [InputNormalization, number?][] = [
    ["none"],
    ["layer_norm"],
    ["constant_norm_rescale"],
    ["expected_average_only_in", 0.7],
  ];
  for (const [inputNormalization, inputScale] of kinds) {
    const sae: Sae = {
      ...centring,
      inputNormalization,
      ...(inputScale === undefined ? {} : { inputScale }),
    };
    const expected = infer(sae, own, "threshold");
    const codes = await encode(gpu, sae, x);
    assertEquals([...codes.latents], [...expected.codes.latents], inputNormalization);
    assertClose(codes.values, expected.codes.values, "f", 1e-4);
    const { data } = await reconstruct(gpu, sae, x);
    // x̂ of the centred samples, and the means on top.
    const back = expected.reconstruction.map((value, at) => value + x.data[at] - own.data[at]);
    assertClose(data, back, `x̂, ${inputNormalization}`, 1e-4);
  }
});

testOnCpu("a sample that is not finite is named, centred or not", async (open) => {
  using gpu = await open();
  const x = shifted(5, 6);
  x.data[2 * d + 3] = NaN;
  for (const sae of [plain, centring]) {
    await assertRejects(() => encode(gpu, sae, x), RangeError, "not finite in row 2, column 3");
  }
});

testOnCpu("stitched SAEs centre as their SAEs do", async (open) => {
  using gpu = await open();
  const x = shifted(6, 20);
  const other: Sae = { ...randomSae(8, d, m, { k: 3, threshold }), inputTransform: "center" };
  const topk: Sae = { ...other, architecture: "topk", threshold: undefined };
  for (const large of [other, topk]) {
    const own = stitch(centring, large, { small: [0, 1, 2], large: [4, 5] });
    const bare = (sae: Sae): Sae => ({ ...sae, inputTransform: "none" });
    const without = stitch(bare(centring), bare(large), { small: [0, 1, 2], large: [4, 5] });
    const found = await reconstruct(gpu, own, x);
    const wanted = await reconstruct(gpu, without, center(x));
    const back = wanted.data.map((value, at) => value + x.data[at] - center(x).data[at]);
    assertClose(found.data, back, large.architecture, 1e-4);
    const measured = await evaluateSae(gpu, own, [x]);
    assertAlmostEquals(
      measured.nmse,
      (await evaluateSae(gpu, without, [center(x)])).nmse,
      1e-4 * measured.nmse,
    );
  }
});

testOnCpu(
  "evaluateSae measures in the centred space, whether batches are centred or not",
  async (open) => {
    using gpu = await open();
    const x = shifted(2, 40);
    const own = center(x);
    const wanted = await evaluateSae(gpu, plain, [own]);
    for (const batch of [x, own]) {
      const found = await evaluateSae(gpu, centring, [batch]);
      assertEquals([found.l0, found.samples], [wanted.l0, 40]);
      for (const name of ["mse", "nmse"] as const) {
        assertAlmostEquals(found[name], wanted[name], 1e-4 * wanted[name]);
      }
    }
    const raw = await evaluateSae(gpu, plain, [x]);
    assertEquals(Math.abs(raw.mse - wanted.mse) > 0.1 * wanted.mse, true, "the transform matters");
  },
);

testOnCpu("evaluateCrossEntropy adds the means to the reconstructions", async (open) => {
  using gpu = await open();
  const x = shifted(3, 8);
  using inference = openInference(gpu, plain);
  const own = center(x);
  const { residual } = await inference.run(own, { residual: true });
  const replacements: Float32Array[] = [];
  const model = withSpliceLosses({
    dModel: d,
    activations: () => Promise.resolve(x),
    crossEntropy(_tokens: Int32Array, rows: number, replacement?: Matrix) {
      replacements.push(replacement!.data);
      return Promise.resolve(new Float32Array(rows * 3).fill(replacements.length));
    },
  });
  const rows = [new Int32Array(4), new Int32Array(4)];
  await evaluateCrossEntropy(gpu, model, centring, rows, { skipPositions: [] });
  // The second call is the spliced one: x̂ = x_c − e, and the mean is x − x_c.
  replacements[1].forEach((value, at) => {
    const reconstruction = own.data[at] - residual![at];
    assertAlmostEquals(value, reconstruction + (x.data[at] - own.data[at]), 1e-5);
  });
  assertEquals(replacements[0], x.data);
});

testOnCpu("trainSae centres its batches, as an option or as `initial` does", async (open) => {
  using gpu = await open();
  const batches = [1, 2, 3, 4].map((seed) => shifted(20 + seed, 32));
  // Centred twice changes nothing but roundings, so the very numbers of the first time are given.
  const own = batches.map((x) => transformInput(centring, x));
  const options = { architecture: "batchtopk", dictSize: 16, k: 2, steps: 3 } as const;
  const wanted = await trainSae(gpu, own, options);
  const found = await trainSae(gpu, batches, { ...options, inputTransform: "center" });
  assertEquals(found.sae.wEnc, wanted.sae.wEnc);
  assertEquals(found.sae.threshold, wanted.sae.threshold);
  assertEquals(found.history, wanted.history);
  assertEquals([found.sae.inputTransform, wanted.sae.inputTransform], ["center", undefined]);
  assertEquals(found.sae.inputScale, wanted.sae.inputScale);
  const more = { architecture: "batchtopk", k: 2, steps: 2 } as const;
  const again = await trainSae(gpu, batches, { ...more, initial: found.sae });
  const expected = await trainSae(gpu, own, { ...more, initial: wanted.sae });
  assertEquals(again.sae.wDec, expected.sae.wDec);
  assertEquals(again.sae.inputTransform, "center");
  const off = { ...more, initial: found.sae, inputTransform: "none" } as const;
  assertEquals((await trainSae(gpu, batches, off)).sae.inputTransform, undefined);
  await assertRejects(
    () => trainSae(gpu, batches, { ...options, inputTransform: "whiten" as "center" }),
    RangeError,
    'inputTransform is "whiten", expected one of none, center',
  );
});

testOnCpu("a meta-SAE that centres is measured on centred rows", async (open) => {
  using gpu = await open();
  const rows = shifted(7, 30);
  const wanted = await decompose(gpu, plain, center(rows));
  const found = await decompose(gpu, centring, rows);
  for (const name of ["explainedVariance", "variance", "l0"] as const) {
    assertAlmostEquals(found[name], wanted[name], 1e-4 * Math.abs(wanted[name]), name);
  }
  assertClose(found.singleErrors, wanted.singleErrors, "single errors", 1e-4);
});

Deno.test("normalizeInput transforms first", () => {
  const x = shifted(9, 6);
  const kind = { inputNormalization: "constant_norm_rescale" } as const;
  const found = normalizeInput({ ...kind, inputTransform: "center" }, x);
  const wanted = normalizeInput(kind, center(x));
  assertClose(found.x.data, wanted.x.data, "x", 1e-5);
  assertClose(found.scale, wanted.scale, "scale", 1e-5);
});
