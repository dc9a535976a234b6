import { assert, assertEquals, assertThrows } from "@std/assert";
import { fitLogistic, logOdds } from "../../lib/interpretation/logistic_regression.ts";
import { meanActivations } from "../../lib/interpretation/mean_activations.ts";
import { probeSets } from "../../lib/interpretation/probe_sets.ts";
import { denseProbes, sparseProbes } from "../../lib/interpretation/sparse_probes.ts";
import { openTestDevice, randomMatrix } from "../gpu_helper.ts";
import { labelledTexts, MODEL, sae } from "./probe_helper.ts";

Deno.test("probes have the features that differ most, and the accuracy of a fit on them", async () => {
  using device = await openTestDevice();
  const { texts, labels } = labelledTexts(5, 400, 4);
  const { latents: [codes], residual } = await meanActivations(device, MODEL, [sae()], texts);
  const sets = probeSets(labels, { seed: 1 });
  const dense = Array.from(texts, (_, t) => {
    const row = new Float64Array(codes.cols);
    for (let e = codes.rowOffsets[t]; e < codes.rowOffsets[t + 1]; e++) {
      row[codes.latents[e]] = codes.values[e];
    }
    return row;
  });
  const k = [1, 3, 100];
  const probes = sparseProbes(codes, sets, { k });
  assertEquals(
    probes.map(({ label, k }) => [label, k]),
    sets.flatMap(({ label }) => k.map((count) => [label, count])),
  );
  for (const probe of probes) {
    const set = sets.find(({ label }) => label === probe.label)!;
    const mean = (part: Uint32Array, latent: number) =>
      part.reduce((sum, text) => sum + dense[text][latent], 0) / part.length;
    const gap = Array.from(dense[0], (_, latent) =>
      Math.abs(
        mean(set.train.slice(0, set.trainPositive), latent) -
          mean(set.train.slice(set.trainPositive), latent),
      ));
    const chosen = gap.map((_, latent) => latent).sort((a, b) => gap[b] - gap[a])
      .slice(0, probe.k);
    assertEquals([...probe.features], chosen);
    const matrix = (part: Uint32Array) => ({
      data: Float32Array.from([...part].flatMap((text) => chosen.map((l) => dense[text][l]))),
      rows: part.length,
      cols: chosen.length,
    });
    const model = fitLogistic(
      matrix(set.train),
      Array.from(set.train, (_, i) => i < set.trainPositive ? 1 : 0),
    );
    const odds = logOdds(matrix(set.test), model);
    const correct = [...odds].filter((z, i) => (z > 0) === (labels[set.test[i]] === set.label));
    assertEquals([probe.correct, probe.tested], [correct.length, set.test.length]);
  }
  // Words tell the labels apart: more features do better than chance, by far.
  const accuracy = (count: number) => {
    const own = probes.filter((probe) => probe.k === count);
    return own.reduce((sum, { correct, tested }) => sum + correct / tested, 0) / own.length;
  };
  assert(accuracy(100) > 0.75, `accuracy ${accuracy(100)}`);
  assert(accuracy(100) > accuracy(1), `${accuracy(100)} of 100 features, ${accuracy(1)} of one`);
  const all = denseProbes(residual, sets);
  const channels = sparseProbes(residual, sets, { k: [residual.cols] });
  assertEquals(all.map(({ correct }) => correct), channels.map(({ correct }) => correct));
});

Deno.test("labels that mean nothing give accuracies of chance", () => {
  const features = randomMatrix(8, 1200, 30);
  const sets = probeSets(Array.from({ length: 1200 }, (_, i) => `c${(i * 7919) % 1200 % 3}`));
  for (const { correct, tested, k } of sparseProbes(features, sets, { k: [1, 30] })) {
    // 160 tests with a chance of one half: five standard errors are 0.2.
    assert(Math.abs(correct / tested - 0.5) < 0.2, `k ${k}: ${correct} of ${tested}`);
  }
});

Deno.test("probes that cannot be are refused", () => {
  const features = randomMatrix(8, 20, 3);
  const sets = probeSets(Array.from({ length: 20 }, (_, i) => `c${i % 2}`));
  assertThrows(
    () => sparseProbes(features, sets, { k: [0] }),
    RangeError,
    "k is 0, expected a whole number above 0",
  );
  assertThrows(
    () => denseProbes({ ...features, rows: 5 }, sets),
    RangeError,
    'the set of "c0" has text',
  );
});
