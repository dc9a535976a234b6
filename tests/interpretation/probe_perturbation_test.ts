import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { meanActivations } from "../../lib/interpretation/mean_activations.ts";
import { probePerturbation } from "../../lib/interpretation/probe_perturbation.ts";
import { probeSets } from "../../lib/interpretation/probe_sets.ts";
import { denseProbes } from "../../lib/interpretation/sparse_probes.ts";
import { openTestDevice } from "../gpu_helper.ts";
import { infer } from "../oracles/inference.ts";
import { activationsOf, D, labelledTexts, MODEL, sae } from "./probe_helper.ts";

Deno.test("ablating in means gives what ablating token by token gives", async () => {
  using device = await openTestDevice();
  const { texts, labels } = labelledTexts(6, 240, 3);
  const sets = probeSets(labels, { seed: 2 });
  for (const inputNormalization of ["none", "layer_norm"] as const) {
    const own = sae({ inputNormalization });
    const means = await meanActivations(device, MODEL, [own], texts, { normLimit: "none" });
    const probes = denseProbes(means.residual, sets);
    const results = probePerturbation(own, means, 0, sets, probes, { counts: [1, 4, 500] });
    assertEquals(results.map(({ count }) => count), [1, 4, 500]);
    for (const { latents, clean, ablated, score, printedScore } of results) {
      const n = sets.length;
      const accuracy = new Float64Array(n * n);
      for (let i = 0; i < n; i++) {
        assert(latents[i].length > 0);
        for (let j = 0; j < n; j++) {
          const { test, testPositive } = sets[j];
          test.forEach((text, at) => {
            const rows = activationsOf(texts[text], 16).map((row) => {
              const x = { data: Float32Array.from(row), rows: 1, cols: D };
              const { codes, reconstruction } = infer(own, x, "threshold");
              const left = row.map((value, c) => value - reconstruction[c]);
              // What remains without the latents, by decoding the rest anew.
              const scale = inputNormalization === "none" ? 1 : Math.sqrt(
                row.reduce((s, v) => s + (v - row.reduce((a, b) => a + b) / D) ** 2, 0) / (D - 1),
              ) + 1e-5;
              const kept = row.map((_, c) =>
                reconstruction[c] - codes.latents.reduce(
                  (sum, latent, e) =>
                    latents[i].includes(latent)
                      ? sum + scale * codes.values[e] * own.wDec[latent * D + c]
                      : sum,
                  0,
                )
              );
              return kept.map((value, c) => value + left[c]);
            });
            const mean = Array.from(
              { length: D },
              (_, c) => rows.reduce((sum, row) => sum + row[c], 0) / rows.length,
            );
            const odds = mean.reduce((sum, v, c) => sum + v * probes[j].weights[c], probes[j].bias);
            if ((odds > 0) === (at < testPositive)) accuracy[i * n + j] += 1 / test.length;
          });
        }
      }
      accuracy.forEach((value, at) => assertAlmostEquals(ablated[at], value, 1e-5));
      const off = (i: number, f: (j: number) => number) =>
        [0, 1, 2].filter((j) => j !== i).reduce((sum, j) => sum + f(j) / 2, 0);
      const wanted = [0, 1, 2].map((i) =>
        clean[i] - accuracy[i * n + i] - off(i, (j) => clean[j] - accuracy[i * n + j])
      );
      assertAlmostEquals(score, wanted.reduce((a, b) => a + b) / 3, 1e-5);
      const printed = [0, 1, 2].map((i) =>
        accuracy[i * n + i] - off(i, (j) => accuracy[i * n + j])
      );
      assertAlmostEquals(printedScore, printed.reduce((a, b) => a + b) / 3, 1e-5);
    }
    probes.forEach(({ correct, tested }, j) =>
      assertAlmostEquals(results[0].clean[j], correct / tested, 1e-12)
    );
    // Latents are ranked by effect, and fewer latents are the first of more.
    assertEquals([...results[1].latents[0]].slice(0, 1), [...results[0].latents[0]]);
  }
});

Deno.test("perturbations of too few classes, or of another SAE, are refused", async () => {
  using device = await openTestDevice();
  const { texts, labels } = labelledTexts(6, 60, 2);
  const own = sae();
  const means = await meanActivations(device, MODEL, [own], texts);
  const two = probeSets(labels);
  const probes = denseProbes(means.residual, two);
  assertThrows(
    () => probePerturbation(own, means, 0, two, probes),
    RangeError,
    "there are sets of 1 classes, expected at least two (three or more labels)",
  );
  const sets = [two[0], two[0]];
  assertThrows(
    () => probePerturbation(own, means, 0, sets, probes),
    RangeError,
    "there are 1 probes for 2 classes",
  );
  assertThrows(
    () => probePerturbation(own, means, 1, sets, [...probes, ...probes]),
    RangeError,
    "which is 1, the means are of 1 SAEs",
  );
  assertThrows(
    () => probePerturbation({ ...own, dictSize: 7 }, means, 0, sets, [...probes, ...probes]),
    RangeError,
    "the means are of 24 latents and 5 channels, the SAE has 7 and 5",
  );
});
