import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Edit, openEditor } from "../../lib/interpretation/edit_latents.ts";
import { generate, type SteerableModel, steeringEffect } from "../../lib/interpretation/steer.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { openTestDevice, randomMatrix, randomSae, testOnDevices } from "../gpu_helper.ts";
import { maxDifference, tinyGpt2 } from "../language_model/fixtures.ts";
import { infer } from "../oracles/inference.ts";

const [d, m] = [5, 24];
const SAE = randomSae(3, d, m, { k: 3, threshold: new Float32Array(m).fill(0.2) });

/** x + Σ (f′ − f) · s · w by the oracle's codes, in float64. */
function editedByHand(
  sae: Sae,
  x: Matrix,
  length: number,
  change: (latent: number, value: number) => number,
  scale: (row: number) => number = () => 1,
): number[] {
  const { codes } = infer(sae, x);
  const out = Array.from(x.data);
  for (let row = 0; row < x.rows; row++) {
    if (row % length === 0) continue;
    for (let latent = 0; latent < m; latent++) {
      let value = 0;
      for (let e = codes.offsets[row]; e < codes.offsets[row + 1]; e++) {
        if (codes.latents[e] === latent) value = codes.values[e];
      }
      const step = (change(latent, value) - value) * scale(row);
      for (let c = 0; c < d; c++) out[row * d + c] += step * sae.wDec[latent * d + c];
    }
  }
  return out;
}

testOnDevices("edits change activations by their latents' decoder rows alone", async (open) => {
  using gpu = await open();
  const [rows, length] = [3, 4];
  const x = randomMatrix(7, rows * length, d);
  const { codes } = infer(SAE, x);
  // One that is active somewhere, one that is active nowhere at some place.
  const active = codes.latents[codes.latents.length >> 1];
  const cases: [Edit[], (latent: number, value: number) => number][] = [
    [[], (_, value) => value],
    [[{ latent: active, clamp: 5 }], (latent, value) => latent === active ? 5 : value],
    [[{ latent: active, scale: -2 }], (latent, value) => latent === active ? -2 * value : value],
    [[{ latent: active, ablate: true }], (latent, value) => latent === active ? 0 : value],
    [[{ latent: 1, add: 0.5 }], (latent, value) => latent === 1 ? value + 0.5 : value],
    [
      [{ latent: 1, clamp: 2 }, { latent: active, add: 1 }, { latent: 1, scale: 3 }],
      (latent, value) => latent === 1 ? 6 : latent === active ? value + 1 : value,
    ],
  ];
  for (const [edits, change] of cases) {
    using editor = openEditor(gpu, SAE, edits);
    const found = await editor.edit(x, rows);
    const expected = editedByHand(SAE, x, length, change);
    assert(maxDifference(found.data, expected) < 1e-5, JSON.stringify(edits));
    if (edits.length === 0) assertEquals(found, x);
    else assert(maxDifference(found.data, x.data) > 0.1);
  }
  // A direction is added as it is; skipped positions are the caller's choice.
  const direction = Float32Array.of(1, 0, -2, 0, 0);
  using editor = openEditor(gpu, SAE, [{ direction, by: 2 }], { skipPositions: [] });
  const found = await editor.edit(x, rows);
  assert(maxDifference(found.data, x.data.map((one, at) => one + 2 * direction[at % d])) < 1e-6);
  // Where samples are normalised, a unit of activation is the sample's own.
  const normalised: Sae = { ...SAE, inputNormalization: "constant_norm_rescale" };
  using other = openEditor(gpu, normalised, [{ latent: 1, add: 1 }]);
  const scaled = await other.edit(x, rows);
  const norm = (row: number) => Math.hypot(...x.data.subarray(row * d, (row + 1) * d));
  const expected = editedByHand(
    SAE,
    x,
    length,
    (latent, value) => latent === 1 ? value + 1 : value,
    (row) => norm(row) / Math.sqrt(d),
  );
  assert(maxDifference(scaled.data, expected) < 1e-5);
});

Deno.test("edits that make no sense are refused", async () => {
  using gpu = await openTestDevice();
  const cases: [Edit, string][] = [
    [{ latent: 24, clamp: 1 }, "edit 0: latent is 24, expected a latent below 24"],
    [{ latent: 0.5, ablate: true }, "edit 0: latent is 0.5, expected a latent below 24"],
    [{ latent: 0, scale: NaN }, "edit 0: scale is NaN, expected a finite number"],
    [
      { direction: new Float32Array(4), by: 1 },
      "edit 0: direction has 4 numbers, the SAE's dModel is 5",
    ],
    [{ direction: new Float32Array(5), by: Infinity }, "edit 0: by is Infinity, expected a finite"],
  ];
  for (const [edit, text] of cases) {
    assertThrows(() => openEditor(gpu, SAE, [edit]), RangeError, text);
  }
  assertEquals(gpu.allocated, 0);
});

const hook = "blocks.2.hook_resid_pre";

Deno.test("the effect of edits is that of the edited logits", async () => {
  using gpu = await openTestDevice();
  await using model = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  const sae = randomSae(5, 128, 64, { k: 4, threshold: new Float32Array(64).fill(0.5) });
  const [rows, length] = [2, 6];
  const tokens = Int32Array.from(
    { length: rows * length },
    (_, i) => i % length ? 50 + 37 * i : 4095,
  );
  using editor = openEditor(gpu, sae, [{ latent: 9, clamp: 40 }]);
  const effect = await steeringEffect(model, editor, tokens, rows, { count: 5 });
  const own = await model.logits(tokens, rows);
  const edited = await model.logits(
    tokens,
    rows,
    await editor.edit(await model.activations(tokens, rows), rows),
  );
  const softmax = ({ data, cols }: Matrix, at: number) => {
    const weights = Array.from(
      data.subarray(at * cols, (at + 1) * cols),
      (one) => Math.exp(one - 20),
    );
    const sum = weights.reduce((total, one) => total + one, 0);
    return weights.map((one) => one / sum);
  };
  let [loss, editedLoss, divergence, count] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    for (let position = 0; position < length; position++) {
      const at = row * length + position;
      const [p, q] = [softmax(own, at), softmax(edited, at)];
      const kl = p.reduce((sum, one, token) => sum + one * Math.log(one / q[token]), 0);
      if (position < length - 1) {
        loss -= Math.log(p[tokens[at + 1]]);
        editedLoss -= Math.log(q[tokens[at + 1]]);
        divergence += kl;
        count++;
        continue;
      }
      const { raised, lowered, divergence: found } = effect.next[row];
      assert(Math.abs(found - kl) < 1e-4);
      const order = [...p.keys()].sort((a, b) => (q[b] - p[b]) - (q[a] - p[a]));
      assertEquals(raised.map(({ token }) => token), order.slice(0, 5));
      assertEquals(lowered.map(({ token }) => token), order.slice(-5).reverse());
      assert(Math.abs(raised[0].edited - q[order[0]]) < 1e-5);
      assert(Math.abs(raised[0].own - p[order[0]]) < 1e-5);
      assertEquals(raised[0].text, model.tokenText(order[0]));
    }
  }
  assert(Math.abs(effect.loss - loss / count) < 1e-4);
  assert(Math.abs(effect.editedLoss - editedLoss / count) < 1e-4);
  assert(Math.abs(effect.divergence - divergence / count) < 1e-4 && effect.divergence > 0.1);
});

Deno.test("generated text is greedy, or drawn by seed; edits change it", async () => {
  using gpu = await openTestDevice();
  await using model = await openLanguageModel(tinyGpt2, { hook, threads: 1 });
  const prompt = Int32Array.of(4095, ...model.tokenize("The President of the United"));
  const greedy = await generate(model, prompt, { tokens: 4 });
  // By hand: the most likely token of all positions' logits, again and again.
  const text = [...prompt];
  for (let i = 0; i < 4; i++) {
    const { data, cols } = await model.logits(Int32Array.from(text), 1);
    const last = data.subarray(data.length - cols);
    text.push(last.indexOf(last.reduce((most, one) => Math.max(most, one))));
  }
  assertEquals([...greedy], text.slice(prompt.length));
  const drawn = (seed: number, topK?: number) =>
    generate(model, prompt, { tokens: 6, temperature: 1, seed, topK });
  assertEquals(await drawn(1), await drawn(1));
  assert((await drawn(1)).join() !== (await drawn(2)).join());
  assertEquals((await drawn(1, 1)).slice(0, 4), greedy);
  const sae = randomSae(5, 128, 64, { k: 4, threshold: new Float32Array(64).fill(0.5) });
  using editor = openEditor(gpu, sae, [{ latent: 9, clamp: 100 }]);
  assert((await generate(model, prompt, { tokens: 4, editor })).join() !== greedy.join());
  using nothing = openEditor(gpu, sae, []);
  assertEquals(await generate(model, prompt, { tokens: 4, editor: nothing }), greedy);
  const stopped = await generate(model, prompt, { tokens: 4, stopToken: greedy[1] });
  assertEquals(stopped.length, greedy.indexOf(greedy[1]) + 1);
});

Deno.test("tokens are drawn as often as their probabilities say, and bad options refused", async () => {
  const logits = Float32Array.from([0.5, 0.3, 0.2, 0], Math.log);
  const model = {
    maxContext: 8,
    logits: () => Promise.resolve({ data: logits, rows: 1, cols: 4 }),
  } as unknown as SteerableModel;
  const counts = [0, 0, 0, 0];
  const prompt = Int32Array.of(0);
  for (let seed = 0; seed < 400; seed++) {
    for (const token of await generate(model, prompt, { temperature: 1, seed })) counts[token]++;
  }
  // The context of 8 has room for 7 more.
  const total = 400 * 7;
  assertEquals(counts.reduce((sum, one) => sum + one, 0), total);
  for (const [token, share] of [0.5, 0.3, 0.2, 0].entries()) {
    // Five standard deviations.
    const far = 5 * Math.sqrt(share * (1 - share) / total);
    assert(Math.abs(counts[token] / total - share) <= far, `${counts}`);
  }
  const cases: [Parameters<typeof generate>[2], Int32Array, string][] = [
    [{ temperature: -1 }, prompt, "temperature is -1, expected a number from 0"],
    [{ topK: 0 }, prompt, "topK is 0, expected a whole number"],
    [{ tokens: 0.5 }, prompt, "tokens is 0.5, expected a whole number"],
    [{}, new Int32Array(0), "the prompt has 0 tokens, expected 1 to 7"],
    [{}, new Int32Array(8), "the prompt has 8 tokens, expected 1 to 7"],
  ];
  for (const [options, given, text] of cases) {
    await assertRejects(() => generate(model, given, options), RangeError, text);
  }
});
