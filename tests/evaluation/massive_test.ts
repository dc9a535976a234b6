import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { orderedActivations } from "../../lib/activations/ordered_activations.ts";
import { shuffleRows } from "../../lib/activations/shuffle_rows.ts";
import { streamActivations } from "../../lib/activations/stream_activations.ts";
import {
  evaluateCrossEntropy,
  type SplicedModel,
} from "../../lib/evaluation/evaluate_cross_entropy.ts";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import { collectTopExamples } from "../../lib/interpretation/top_examples.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { measureNormLimit } from "../../lib/sae/separate_massive.ts";
import { stitch } from "../../lib/stitching/stitch.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { below, D, plantedModel } from "../activations/massive_helper.ts";
import { openTestDevice, randomMatrix, randomSae } from "../gpu_helper.ts";
import { withSpliceLosses } from "./with_splice_losses.ts";

const TOKENS = 10_000;
const MOST = 50;
const reading = { contextLength: 51, rowsPerRun: 40 };
const order = { batchSize: 256, bufferRows: 512, seed: 3 };
const ordered = () => orderedActivations(plantedModel(TOKENS), ["text"], reading);

Deno.test("planted massive activations: losses and weights are those of the other rows alone", async () => {
  using gpu = await openTestDevice();
  const options = {
    architecture: "batchtopk" as const,
    dictSize: 48,
    k: 4,
    seed: 1,
    learningRate: 1e-3,
  };
  const train = (batches: AsyncIterable<Matrix>) => trainSae(gpu, batches, options);
  const stream = (normLimit?: "none") =>
    streamActivations(plantedModel(TOKENS), ["text"], { ...reading, ...order, normLimit });
  const found = await train(stream());
  const others = await train(shuffleRows(below(MOST, ordered()), order));
  assertEquals(found.history, others.history);
  assertEquals(found.sae, others.sae);
  assert(found.history.length > 35);
  // The three rows are enough to change everything.
  const all = await train(stream("none"));
  assertNotEquals(all.sae.wDec, found.sae.wDec);
  assert(Math.max(...all.history.map(({ loss }) => loss)) > 5 * found.history[0].loss);

  const sae = { ...found.sae, metadata: { normLimit: await measureNormLimit(ordered()) } };
  const alone = await evaluateSae(gpu, sae, below(MOST, ordered()));
  const whole = await evaluateSae(gpu, sae, ordered());
  const ofAll = await evaluateSae(gpu, sae, ordered(), { normLimit: "none" });
  assertEquals([alone.all, alone.leftOut, ofAll.all, ofAll.leftOut], Array(4).fill(undefined));
  const { samples, mse, nmse, explainedVariance, l0 } = ofAll;
  assertEquals(samples, TOKENS);
  assertEquals(whole, { ...alone, leftOut: 3, all: { samples, mse, nmse, explainedVariance, l0 } });
  // Without a record the median is measured on what comes: here on the same rows.
  assertEquals(await evaluateSae(gpu, found.sae, ordered()), whole);
  assert(ofAll.nmse > 1.2 * whole.nmse || ofAll.nmse < 0.8 * whole.nmse);
});

const THRESHOLD = { k: 2, threshold: new Float32Array(12).fill(0.3) };

Deno.test("evaluateSae: selection over a batch is over the batch's other rows, of all over all", async () => {
  using gpu = await openTestDevice();
  const sae = randomSae(4, D, 12, THRESHOLD);
  const batch = randomMatrix(3, 40, D);
  const row = batch.data.subarray(7 * D, 8 * D);
  row.forEach((value, at) => row[at] = 100 * value);
  const others = { data: Float32Array.from(batch.data), rows: 39, cols: D };
  others.data.copyWithin(7 * D, 8 * D);
  others.data = others.data.slice(0, 39 * D);
  const selection = "batch" as const;
  const found = await evaluateSae(gpu, sae, [batch], { selection });
  const { leftOut, all, ...ordinary } = found;
  assertEquals(ordinary, await evaluateSae(gpu, sae, [others], { selection }));
  assertEquals([leftOut, all!.l0, ordinary.l0], [1, 2, 2]);
  const { mse } = await evaluateSae(gpu, sae, [batch], { selection, normLimit: "none" });
  assertEquals(all!.mse, mse);
  // What the SAE was trained on decides, for stitched SAEs too, unless it is said.
  const untrained = { ...sae, metadata: { normLimit: "none" as const } };
  assertEquals((await evaluateSae(gpu, untrained, [batch])).leftOut, undefined);
  const limited = { ...sae, metadata: { normLimit: { multiple: 1000, medianNorm: 2 } } };
  assertEquals((await evaluateSae(gpu, limited, [batch])).leftOut, undefined);
  assertEquals(
    (await evaluateSae(gpu, limited, [batch], { normLimit: { multiple: 10 } })).leftOut,
    1,
  );
  const stitched = stitch(limited, sae, { small: [...Array(12).keys()], large: [] });
  assertEquals((await evaluateSae(gpu, stitched, [batch])).leftOut, undefined);
  await assertRejects(
    () => evaluateSae(gpu, sae, [batch], { normLimit: { multiple: 1, medianNorm: 1e-6 } }),
    RangeError,
    "all 40 activations are above the limit on norms",
  );
  for (const normLimit of ["all", 10, null, { multiple: 10 }, { multiple: 0, medianNorm: 1 }]) {
    await assertRejects(
      () => evaluateSae(gpu, { ...sae, metadata: { normLimit } }, [batch]),
      RangeError,
      "metadata.normLimit",
    );
  }
});

const L = 4;
const MASSIVE = 8;
const TABLE = randomMatrix(1, 10, 3).data;
TABLE.subarray(3 * MASSIVE, 3 * MASSIVE + 3).set([300, -100, 200]);
const ROWS = [[9, 1, 8, 3], [9, 4, 5, 8], [9, 2, 6, 7], [9, 8, 8, 8]].map((row) =>
  Int32Array.from(row)
);
const embed = (tokens: Int32Array): Matrix => ({
  data: Float32Array.from(
    [...tokens].flatMap((token) => [...TABLE.subarray(3 * token, 3 * token + 3)]),
  ),
  rows: tokens.length,
  cols: 3,
});

/** A model whose loss at a position depends on the activations there and before. */
function splicedModel(replacements: Matrix[]): SplicedModel {
  return withSpliceLosses({
    dModel: 3,
    activations: (tokens: Int32Array) => Promise.resolve(embed(tokens)),
    crossEntropy(tokens: Int32Array, rows: number, replacement: Matrix = embed(tokens)) {
      replacements.push(replacement);
      const loss = new Float32Array(rows * (L - 1));
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let at = 0; at < L - 1; at++) {
          sum += replacement.data[3 * (row * L + at)] +
            10 * replacement.data[3 * (row * L + at) + 1];
          loss[row * (L - 1) + at] = sum;
        }
      }
      return Promise.resolve(loss);
    },
  });
}

Deno.test("evaluateCrossEntropy: massive activations stay the model's own, and are not measured", async () => {
  using gpu = await openTestDevice();
  const sae: Sae = randomSae(4, 3, 12, THRESHOLD);
  const tokens = Int32Array.from(ROWS.flatMap((row) => [...row]));
  const own = embed(tokens);
  const isReplaced = (at: number) => at % L > 0 && tokens[at] !== MASSIVE;
  for (const rowsPerRun of [1, 16]) {
    const seen: Matrix[] = [];
    const found = await evaluateCrossEntropy(gpu, splicedModel(seen), sae, ROWS, { rowsPerRun });
    assertEquals([found.tokens, found.leftOut], [5, 5]);
    // In every variant, positions that are not replaced keep the model's own activation.
    const variants = rowsPerRun === 16 ? seen : [];
    for (const { data } of variants) {
      for (let at = 0; at < tokens.length; at++) {
        const [mine, given] = [own.data, data].map((all) => all.slice(3 * at, 3 * at + 3));
        if (!isReplaced(at)) assertEquals(given, mine);
      }
    }
    if (rowsPerRun !== 16) continue;
    const kept = [...tokens.keys()].filter(isReplaced);
    const [, spliced, zero, mean] = variants;
    for (const at of kept) {
      assertEquals([...zero.data.slice(3 * at, 3 * at + 3)], [0, 0, 0]);
      assertNotEquals(spliced.data.slice(3 * at, 3 * at + 3), own.data.slice(3 * at, 3 * at + 3));
      for (let c = 0; c < 3; c++) {
        const sum = kept.reduce((sum, at) => sum + own.data[3 * at + c], 0);
        assert(Math.abs(mean.data[3 * at + c] - sum / kept.length) < 1e-6);
      }
    }
    // Clean, by hand: rows 0 to 2 at the positions that are neither first, last nor massive.
    const value = (at: number) => own.data[3 * at] + 10 * own.data[3 * at + 1];
    const until = (at: number): number => (at % L === 0 ? 0 : until(at - 1)) + value(at);
    const clean = [1, 5, 6, 9, 10].reduce((sum, at) => sum + until(at), 0) / 5;
    assert(Math.abs(found.clean - clean) < 1e-4);
  }
  const all = await evaluateCrossEntropy(gpu, splicedModel([]), sae, ROWS, { normLimit: "none" });
  assertEquals([all.tokens, all.leftOut], [8, undefined]);
  await assertRejects(
    () =>
      evaluateCrossEntropy(gpu, splicedModel([]), sae, [ROWS[3]], {
        normLimit: { multiple: 10, medianNorm: 1 },
      }),
    RangeError,
    "all 3 activations are above the limit on norms, expected some below it to measure",
  );
});

Deno.test("collectTopExamples finds no latent in massive activations", async () => {
  using gpu = await openTestDevice();
  const sae = randomSae(4, 3, 12, THRESHOLD);
  const model = { ...splicedModel([]), tokenText: (token: number) => `t${token}` };
  const latents = Array.from({ length: 12 }, (_, latent) => latent);
  const find = (options = {}) => collectTopExamples(gpu, model, sae, ROWS, { latents, ...options });
  const peaks = (found: Awaited<ReturnType<typeof find>>) =>
    found.flatMap(({ examples }) => examples.map(({ tokens, peak }) => tokens[peak]));
  assert(peaks(await find({ normLimit: "none" })).includes("t8"));
  const found = await find();
  assert(peaks(found).length > 5 && !peaks(found).includes("t8"));
  for (const rowsPerRun of [1, 2]) assertEquals(await find({ rowsPerRun }), found);
  // As by hand: of 12 positions 7 are measured, and contexts show massive tokens as inactive.
  const { density } = await evaluateSae(gpu, sae, [embed(Int32Array.of(1, 3, 4, 5, 2, 6, 7))]);
  assertEquals(found.map(({ density }) => density), [...density]);
  const shown = found.flatMap(({ examples }) => examples)
    .flatMap(({ tokens, activations }) =>
      tokens.map((token, at) => [token, activations[at]] as const)
    );
  assert(shown.some(([token]) => token === "t8"));
  for (const [token, activation] of shown) if (token === "t8") assertEquals(activation, 0);
});
