import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { meanActivations } from "../../lib/interpretation/mean_activations.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import { assertClose, openTestDevice } from "../gpu_helper.ts";
import { infer } from "../oracles/inference.ts";
import { activationsOf, D, labelledTexts, MODEL, sae } from "./probe_helper.ts";

function dense({ rows, cols, rowOffsets, latents, values }: SparseMatrix): Float64Array {
  const all = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let e = rowOffsets[r]; e < rowOffsets[r + 1]; e++) all[r * cols + latents[e]] = values[e];
  }
  return all;
}

Deno.test("means over the tokens of each text are those of a plain loop", async () => {
  using device = await openTestDevice();
  const saes = [
    sae(),
    sae({ inputNormalization: "layer_norm" }),
    sae({ inputNormalization: "expected_average_only_in", inputScale: 0.4 }),
  ];
  const texts = [...labelledTexts(4, 30, 3).texts, "", "7"];
  for (const tokensPerRun of [4096, 40, 1]) {
    for (const contextLength of [16, 5]) {
      const found = await meanActivations(device, MODEL, saes, texts, {
        tokensPerRun,
        contextLength,
        normLimit: "none",
      });
      const tokens = texts.map((text) => activationsOf(text, contextLength).length);
      assertEquals([...found.tokens], tokens);
      assertEquals(tokens.slice(-2), [0, 1]);
      const residual = texts.flatMap((text) => {
        const rows = activationsOf(text, contextLength);
        return Array.from(
          { length: D },
          (_, c) => rows.reduce((sum, row) => sum + row[c], 0) / Math.max(1, rows.length),
        );
      });
      assertClose(found.residual.data, residual, "residual", 1e-6);
      saes.forEach((each, s) => {
        const means = new Float64Array(texts.length * each.dictSize);
        const contributions = new Float64Array(means.length);
        texts.forEach((text, t) => {
          for (const row of activationsOf(text, contextLength)) {
            const x = { data: Float32Array.from(row), rows: 1, cols: D };
            const { codes } = infer(each, x, "threshold");
            const deviation = Math.sqrt(
              row.reduce((sum, v) => sum + (v - row.reduce((a, b) => a + b) / D) ** 2, 0) / (D - 1),
            );
            const scale = [1, deviation, 1 / 0.4][s];
            codes.latents.forEach((latent, e) => {
              means[t * each.dictSize + latent] += codes.values[e] / tokens[t];
              contributions[t * each.dictSize + latent] += scale * codes.values[e] / tokens[t];
            });
          }
        });
        assertClose(dense(found.latents[s]), means, `latents of SAE ${s}`, 1e-5);
        const own = { ...found.latents[s], values: found.contributions[s] };
        assertClose(dense(own), contributions, `contributions of SAE ${s}`, 2e-5);
      });
    }
  }
});

Deno.test("massive activations are left out of the means", async () => {
  using device = await openTestDevice();
  const rows = activationsOf("3 9 4", 16);
  const norms = rows.map((row) => Math.hypot(...row));
  const limit = { multiple: 1, medianNorm: [...norms].sort((a, b) => a - b)[1] };
  const kept = rows.filter((_, i) => norms[i] <= limit.medianNorm);
  const found = await meanActivations(device, MODEL, [sae()], ["3 9 4"], { normLimit: limit });
  assertEquals([...found.tokens], [2]);
  kept[0].forEach((value, c) =>
    assertAlmostEquals(found.residual.data[c], (value + kept[1][c]) / 2, 1e-6)
  );
});

Deno.test("what cannot be read is refused", async () => {
  using device = await openTestDevice();
  for (
    const [run, message] of [
      [() => meanActivations(device, MODEL, [], ["1"]), "there is no SAE to encode texts with"],
      [() => meanActivations(device, MODEL, [sae()], []), "there are no texts to read"],
      [
        () => meanActivations(device, MODEL, [sae()], ["1"], { contextLength: 17 }),
        "contextLength is 17, the model takes at most 16",
      ],
      [
        () => meanActivations(device, MODEL, [sae()], ["1"], { contextLength: 1 }),
        "contextLength is 1, expected a whole number from 2",
      ],
      [
        () => meanActivations(device, { ...MODEL, dModel: 7 }, [sae()], ["1"]),
        "saes[0].dModel is 5, the hook's is 7",
      ],
    ] as const
  ) {
    await assertRejects(run, RangeError, message);
  }
});
