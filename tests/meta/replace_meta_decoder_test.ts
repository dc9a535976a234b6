import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";

import { compareMetaLatents } from "../../lib/meta/compare_meta_latents.ts";
import { randomUnitRows } from "../../lib/meta/random_unit_rows.ts";
import { replaceMetaDecoder } from "../../lib/meta/replace_meta_decoder.ts";
import { trainMetaSae } from "../../lib/meta/train_meta_sae.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import { assertClose, openTestDevice, randomSae } from "../gpu_helper.ts";
import { takeApart } from "../oracles/meta.ts";
import { composedSae, rowsOf, sumsOf } from "./made_rows.ts";

const SAE = composedSae(5, 60, 12, 8);
const OPTIONS = { dictSize: 10, k: 2, epochs: 20, batchSize: 16, learningRate: 1e-2 };

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, value, c) => sum + value * y[c], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const row = (data: Float32Array, i: number) => data.subarray(i * 12, (i + 1) * 12);

Deno.test("meta-latents are compared with SAEs, and their rows replaced by the most similar", async () => {
  using gpu = await openTestDevice();
  const { meta } = await trainMetaSae(gpu, SAE, { ...OPTIONS, name: "runs/a" });
  const target = randomSae(11, 12, 25);
  const best = Array.from({ length: 10 }, (_, i) => {
    const all = Array.from(
      { length: 25 },
      (_, j) => cosine(row(meta.wDec, i), row(target.wDec, j)),
    );
    return { cosine: Math.max(...all), nearest: all.indexOf(Math.max(...all)) };
  });
  const saes = [{ name: "target", sae: target }, { name: "chance", sae: randomUnitRows(40, 12) }];
  const [compared, chance] = await compareMetaLatents(gpu, meta, saes);
  assertEquals([compared.name, compared.dictSize, chance.name, chance.dictSize], [
    "target",
    25,
    "chance",
    40,
  ]);
  assertClose(compared.cosine, best.map(({ cosine }) => cosine), "cosine", 1e-5);
  assertEquals([...compared.nearest], best.map(({ nearest }) => nearest));
  const mean = best.reduce((sum, { cosine }) => sum + cosine, 0) / 10;
  assert(Math.abs(compared.meanCosine - mean) < 1e-6);

  const replaced = await replaceMetaDecoder(gpu, meta, SAE, target, { ...OPTIONS, epochs: 5 });
  assertEquals([...replaced.nearest], best.map(({ nearest }) => nearest));
  best.forEach(({ nearest }, i) => {
    const [own, other] = [row(replaced.meta.wDec, i), row(target.wDec, nearest)];
    const norm = Math.hypot(...other);
    assertClose(own, other.map((value) => value / norm), "replaced row", 1e-6);
  });
  // The directions are frozen, the bias is not.
  assertNotEquals(replaced.meta.bDec, meta.bDec);
  assert(replaced.meta.wEnc.some((value, at) => value !== meta.wEnc[at]));
  assertEquals(replaced.meta.metadata.explains, meta.metadata.explains);
  assertEquals(replaced.history.length, Math.ceil(5 * 60 / 16));
  const before = takeApart(meta, rowsOf(SAE)).explainedVariance;
  const after = takeApart(replaced.meta, rowsOf(SAE)).explainedVariance;
  assert(Math.abs(replaced.before.explainedVariance - before) < 1e-4);
  assert(Math.abs(replaced.explainedVariance - after) < 1e-4);
  assert(after < before);
  assertEquals(gpu.allocated, 0);
});

Deno.test("rows replaced by themselves leave what is explained; others' SAEs are refused", async () => {
  using gpu = await openTestDevice();
  const { meta } = await trainMetaSae(gpu, SAE, OPTIONS);
  const same = await replaceMetaDecoder(gpu, meta, SAE, meta, { ...OPTIONS, epochs: 10 });
  assertEquals([...same.nearest], [...same.nearest.keys()]);
  assert(same.explainedVariance > same.before.explainedVariance - 0.1);
  const other = composedSae(6, 60, 12, 8);
  for (
    const [sae, target, text] of [
      [other, meta, "sae is not the SAE that the meta-SAE explains"],
      [SAE, randomSae(1, 5, 4), "the rows of small have 5 numbers, those of large 12"],
    ] as const
  ) {
    const error = await assertRejects(() => replaceMetaDecoder(gpu, meta, sae, target), RangeError);
    assertEquals(error.message.slice(0, text.length), text);
  }
});

Deno.test("rows replaced by the true atoms explain nearly as much, random rows much less", async () => {
  using gpu = await openTestDevice();
  const atoms = randomUnitRows(24, 32, { seed: 1 });
  const rows = sumsOf(atoms, 256, 3, 5);
  const options = { dictSize: 24, k: 3, epochs: 50, batchSize: 64, learningRate: 1e-2 };
  const { meta } = await trainMetaSae(gpu, rows, options);
  const { explainedVariance, controls } = await replaceMetaDecoder(gpu, meta, rows, atoms, options);
  // 0.906; 0.51 with the bias frozen too. Random rows: 0.23, of the atoms' covariance 0.39.
  assert(explainedVariance >= 0.85, `${explainedVariance}`);
  const { isotropic, matched } = controls;
  assert(isotropic.explainedVariance < 0.4, `${isotropic.explainedVariance}`);
  assert(matched!.explainedVariance < 0.55, `${matched!.explainedVariance}`);

  // The controls are what a replacement by such rows gives; the second can be left out.
  const fewer = await replaceMetaDecoder(gpu, meta, rows, randomUnitRows(24, 32), {
    ...options,
    matchedControl: false,
  });
  assertEquals(fewer.explainedVariance, isotropic.explainedVariance);
  assertEquals(fewer.controls, { isotropic });
});

Deno.test("a replacement whose checkpoint froze the bias too continues its bits", async () => {
  using gpu = await openTestDevice();
  const { meta } = await trainMetaSae(gpu, SAE, OPTIONS);
  let kept: Checkpoint | undefined;
  const save = (checkpoint: Checkpoint) => {
    kept ??= checkpoint;
    return Promise.resolve();
  };
  const options = { ...OPTIONS, matchedControl: false };
  await replaceMetaDecoder(gpu, meta, SAE, meta, {
    ...options,
    steps: 6,
    checkpoint: { every: 3, save },
  });
  assertEquals(kept!.settings.freezeDecoder, "directions");
  const old = { ...kept!, settings: { ...kept!.settings, freezeDecoder: true } };
  const { bDec } = old.arrays;
  const rest = { ...options, resume: old, steps: 6 };
  assertEquals((await replaceMetaDecoder(gpu, meta, SAE, meta, rest)).meta.bDec, bDec);
});

Deno.test("random unit rows have norm 1 and no preferred direction", () => {
  const { data, rows, cols } = randomUnitRows(500, 12, { seed: 3 });
  const mean = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    assert(Math.abs(Math.hypot(...row(data, i)) - 1) < 1e-6);
    row(data, i).forEach((value, c) => mean[c] += value / rows);
  }
  // Its norm is about 1/√500.
  assert(Math.hypot(...mean) < 0.08);
  assertEquals(randomUnitRows(500, 12, { seed: 3 }).data, data);
  assert(randomUnitRows(500, 12, { seed: 4 }).data[0] !== data[0]);
});
