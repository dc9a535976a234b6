import { assert, assertEquals, assertRejects } from "@std/assert";
import { latentLogits } from "../../lib/interpretation/latent_logits.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { randomMatrix, randomSae } from "../gpu_helper.ts";
import { maxDifference, tinyGpt2, weightOf } from "../language_model/fixtures.ts";

const hook = "blocks.2.hook_resid_pre";

Deno.test("latents' logits are decoder rows times the unembedding, by hand in float64", async () => {
  const [d, words] = [128, 4096];
  const unembedding = weightOf(`${tinyGpt2}/onnx/model.onnx`, /^onnx::MatMul_1046$/);
  const embedding = weightOf(`${tinyGpt2}/onnx/model.onnx`, /^transformer\.wte\.weight$/);
  // Tied: W_U is the embedding's transpose.
  assertEquals(unembedding[5 * words + 7], embedding[7 * d + 5]);
  const sae = randomSae(3, d, 40);
  await using model = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  const latents = [7, 0, 39, 7];
  const seen: number[] = [];
  const found = await latentLogits(model, sae, latents, {
    count: 12,
    bins: 20,
    onProgress: ({ done }) => seen.push(done),
  });
  assertEquals(seen, [1, 4]);
  assertEquals(found.map(({ latent }) => latent), latents);
  assertEquals(found[0], found[3]);
  for (const { latent, promoted, suppressed, histogram } of found) {
    const row = sae.wDec.subarray(latent * d, (latent + 1) * d);
    const effects = Float64Array.from({ length: words }, (_, word) => {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += row[c] * unembedding[c * words + word];
      return sum;
    });
    const order = [...effects.keys()].sort((a, b) => effects[b] - effects[a]);
    assertEquals(promoted.map(({ token }) => token), order.slice(0, 12));
    assertEquals(suppressed.map(({ token }) => token), order.slice(-12).reverse());
    for (const { token, logit, text } of [...promoted, ...suppressed]) {
      assert(Math.abs(logit - effects[token]) < 1e-5);
      assertEquals(text, model.tokenText(token));
    }
    assert(Math.abs(histogram.high - effects[order[0]]) < 1e-5);
    assert(Math.abs(histogram.low - effects[order[words - 1]]) < 1e-5);
    assertEquals(histogram.counts.length, 20);
    assertEquals(histogram.counts.reduce((sum, one) => sum + one, 0), words);
    // Sums of counts, away from the bins' ends, which rounding may move.
    for (const bin of [4, 10, 16]) {
      const end = histogram.low + bin * (histogram.high - histogram.low) / 20;
      const below = effects.filter((one) => one < end).length;
      const counted = histogram.counts.slice(0, bin).reduce((sum, one) => sum + one, 0);
      assert(Math.abs(below - counted) <= 1, `${below} effects below ${end}, ${counted} counted`);
    }
  }
  // Of equal effects the lower token comes first.
  const zeros = { ...sae, wDec: new Float32Array(sae.wDec.length) };
  const [{ promoted, suppressed, histogram }] = await latentLogits(model, zeros, [1], { count: 3 });
  assertEquals(promoted.map(({ token }) => token), [0, 1, 2]);
  assertEquals(suppressed.map(({ token }) => token), [0, 1, 2]);
  assertEquals([histogram.low, histogram.high, histogram.counts[0]], [0, 0, words]);
});

Deno.test("the final norm's scale changes latents' logits as its definition says", async () => {
  const d = 128;
  const scale = weightOf(`${tinyGpt2}/onnx/model.onnx`, /^transformer\.ln_f\.weight$/);
  const sae = randomSae(5, d, 6);
  await using model = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  const folded = randomMatrix(1, 6, d);
  for (let row = 0; row < 6; row++) {
    const own = Array.from(sae.wDec.subarray(row * d, (row + 1) * d));
    const mean = own.reduce((sum, one) => sum + one, 0) / d;
    own.forEach((one, c) => folded.data[row * d + c] = (one - mean) * scale[c]);
  }
  const directions = { data: sae.wDec, rows: 6, cols: d };
  const [found, expected] = [
    await model.unembed(directions, { finalNorm: true }),
    await model.unembed(folded),
  ];
  assert(maxDifference(found.data, expected.data) < 1e-5);
  assert(maxDifference(found.data, (await model.unembed(directions)).data) > 1e-2);
  const [{ promoted }] = await latentLogits(model, sae, [2], { count: 1, finalNorm: true });
  const row = expected.data.subarray(2 * 4096, 3 * 4096);
  assert(Math.abs(promoted[0].logit - row.reduce((most, one) => Math.max(most, one))) < 1e-5);
});

Deno.test("latents, counts and SAEs that do not fit are refused", async () => {
  const sae = randomSae(3, 5, 40);
  await using model = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  const cases: [() => Promise<unknown>, string][] = [
    [() => latentLogits(model, sae, [40]), "latents[0] is 40, expected a latent from 0 to 39"],
    [() => latentLogits(model, sae, [0], { count: 0 }), "count is 0, expected a whole number"],
    [() => latentLogits(model, sae, [0], { bins: 1.5 }), "bins is 1.5, expected a whole number"],
    [
      () => latentLogits(model, sae, [0]),
      "directions is [1, 5] with 5 numbers, expected [1 or more, 128], the width of the residual",
    ],
  ];
  for (const [run, text] of cases) await assertRejects(run, Error, text);
  assertEquals(await latentLogits(model, sae, []), []);
});

Deno.test("a hook inside of a layer has no logits, also where its width is that of the stream", async () => {
  const inner = "blocks.1.attn.hook_z";
  await using model = await openLanguageModel(tinyGpt2, { hook: inner, threads: 1 });
  const sae = randomSae(3, model.dModel, 4);
  assertEquals(model.dModel, 128);
  await assertRejects(
    () => latentLogits(model, sae, [0]),
    Error,
    `${inner} is inside of a layer: its directions are not of the residual stream's space`,
  );
});
