import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type CrossEntropyEvaluation,
  evaluateCrossEntropies,
  evaluateCrossEntropy,
  type SplicedModel,
} from "../../lib/evaluation/evaluate_cross_entropy.ts";

import type { Matrix } from "../../lib/matrix.ts";
import type { Progress } from "../../lib/progress.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { openTestDevice, randomMatrix, randomSae } from "../gpu_helper.ts";
import { infer } from "../oracles/inference.ts";
import { divergenceOf, withSpliceLosses } from "./with_splice_losses.ts";

const D = 3;
const L = 4;

/** Activations of token t are row t of a table; the loss at a position is a sum over its row. */
const TABLE = randomMatrix(1, 10, D).data;

const lossOf = (row: ArrayLike<number>) => 2 + row[0] + 10 * row[1] + 100 * row[2] ** 2;

function fakeModel(): SplicedModel & { calls: string[] } {
  const calls: string[] = [];
  return withSpliceLosses({
    calls,
    dModel: D,
    activations(tokens: Int32Array, rows: number): Promise<Matrix> {
      calls.push(`activations ${rows}`);
      assertEquals(tokens.length, rows * L);
      const data = new Float32Array(tokens.length * D);
      tokens.forEach((token, at) => data.set(TABLE.subarray(token * D, (token + 1) * D), at * D));
      return Promise.resolve({ data, rows: tokens.length, cols: D });
    },
    async crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix) {
      const x = replacement ?? await this.activations(tokens, rows);
      assertEquals([x.rows, x.cols, x.data.length], [rows * L, D, rows * L * D]);
      const loss = new Float32Array(rows * (L - 1));
      for (let at = 0; at < loss.length; at++) {
        const position = Math.floor(at / (L - 1)) * L + at % (L - 1);
        loss[at] = lossOf(x.data.subarray(position * D, (position + 1) * D));
      }
      return loss;
    },
  });
}

const ROWS = [[9, 1, 2, 3], [9, 4, 5, 1], [9, 2, 6, 7]].map((row) => Int32Array.from(row));
const SAE: Sae = randomSae(4, D, 12, { k: 2, threshold: new Float32Array(12).fill(0.3) });

/** The same by hand: every row of tokens at once. */
function expectedOf(
  rows: Int32Array[],
  skip: number[],
  selection?: "batch",
): CrossEntropyEvaluation {
  const rowOf = (token: number) => TABLE.subarray(token * D, (token + 1) * D);
  const replaced = rows.flatMap((row) => [...row].filter((_, at) => !skip.includes(at)));
  const mean = [0, 1, 2].map((c) =>
    replaced.reduce((sum, token) => sum + rowOf(token)[c], 0) / replaced.length
  );
  const own: Matrix = {
    data: Float32Array.from(replaced.flatMap((token) => [...rowOf(token)])),
    rows: replaced.length,
    cols: D,
  };
  const { reconstruction } = infer(SAE, own, selection);
  const losses = { clean: 0, spliced: 0, zeroAblated: 0, meanAblated: 0 };
  const divergences = { spliced: 0, zeroAblated: 0 };
  let tokens = 0;
  let at = -1;
  for (const row of rows) {
    for (const [position, token] of row.entries()) {
      if (skip.includes(position)) continue;
      at++;
      if (position === L - 1) continue;
      tokens++;
      const clean = lossOf(rowOf(token));
      const spliced = lossOf(reconstruction.subarray(at * D, (at + 1) * D));
      losses.clean += clean;
      losses.spliced += spliced;
      divergences.spliced += divergenceOf(clean, spliced);
      divergences.zeroAblated += divergenceOf(clean, lossOf([0, 0, 0]));
      losses.zeroAblated += lossOf([0, 0, 0]);
      losses.meanAblated += lossOf(mean);
    }
  }
  const clean = losses.clean / tokens;
  const spliced = losses.spliced / tokens;
  const zeroAblated = losses.zeroAblated / tokens;
  const meanAblated = losses.meanAblated / tokens;
  return {
    tokens,
    clean,
    spliced,
    zeroAblated,
    meanAblated,
    degradation: spliced - clean,
    recoveredFromZero: (zeroAblated - spliced) / (zeroAblated - clean),
    recoveredFromMean: (meanAblated - spliced) / (meanAblated - clean),
    klDivWithSae: divergences.spliced / tokens,
    klDivWithAblation: divergences.zeroAblated / tokens,
    klDivScore: 1 - divergences.spliced / divergences.zeroAblated,
  };
}

function assertSame(actual: CrossEntropyEvaluation, expected: CrossEntropyEvaluation) {
  assertEquals(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    const found = actual[name as keyof CrossEntropyEvaluation];
    assertAlmostEquals(found!, value, 1e-4 * Math.max(1, Math.abs(value)), name);
  }
}

Deno.test("evaluateCrossEntropy agrees with losses computed by hand, whatever is skipped", async () => {
  using gpu = await openTestDevice();
  for (const skip of [[0], [], [0, 2], [3], [1, 3]]) {
    for (const rowsPerRun of [1, 2, 16]) {
      const options = { skipPositions: skip, rowsPerRun };
      const actual = await evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS, options);
      assertSame(actual, expectedOf(ROWS, skip));
      assertEquals(actual.tokens, 3 * [0, 1, 2].filter((at) => !skip.includes(at)).length);
      assertEquals(gpu.allocated, 0);
    }
  }
  const values = Object.values(expectedOf(ROWS, [0]));
  assertEquals(new Set(values).size, values.length, "the cases tell every number apart");
});

Deno.test("evaluateCrossEntropy skips the first position by default and can select as in training", async () => {
  using gpu = await openTestDevice();
  const plain = await evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS);
  assertSame(plain, expectedOf(ROWS, [0]));
  const batch = await evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS, { selection: "batch" });
  assertSame(batch, expectedOf(ROWS, [0], "batch"));
  assert(batch.spliced !== plain.spliced);
});

Deno.test("evaluateCrossEntropy: a perfect SAE recovers everything", async () => {
  using gpu = await openTestDevice();
  const w = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0, 0, 0, -1, 0, 0, 0, -1);
  const zeros = { bEnc: new Float32Array(6), bDec: new Float32Array(3) };
  const sae = randomSae(1, 3, 6, { architecture: "relu", wEnc: w, wDec: w, ...zeros });
  const result = await evaluateCrossEntropy(gpu, fakeModel(), sae, ROWS);
  assertEquals(result.degradation, 0);
  assertEquals([result.recoveredFromZero, result.recoveredFromMean], [1, 1]);
});

Deno.test("evaluateCrossEntropy reports its progress and stops when it is told to", async () => {
  using gpu = await openTestDevice();
  const told: Progress[] = [];
  const onProgress = (progress: Progress) => told.push(progress);
  const model = fakeModel();
  await evaluateCrossEntropy(gpu, model, SAE, ROWS, { rowsPerRun: 2, onProgress });
  assertEquals(told, [3, 6, 7, 8].map((done) => ({ phase: "cross-entropy", done, total: 8 })));
  assertEquals(model.calls, ["activations 2", "activations 1"]);

  const controller = new AbortController();
  const stopping = evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await assertRejects(() => stopping, Error, "enough");
  assertEquals(gpu.allocated, 0);
});

Deno.test("several SAEs are evaluated in one pass as each would be alone", async () => {
  using gpu = await openTestDevice();
  const saes = [SAE, randomSae(7, D, 9, { k: 1, threshold: new Float32Array(9).fill(0.1) })];
  const model = fakeModel();
  const together = await evaluateCrossEntropies(gpu, model, saes, ROWS);
  assertEquals(model.calls, ["activations 3"]);
  const alone = [];
  for (const sae of saes) alone.push(await evaluateCrossEntropy(gpu, fakeModel(), sae, ROWS));
  assertEquals(together, alone);
  assert(together[0].spliced !== together[1].spliced);
  assertEquals(gpu.allocated, 0);
  const limited = { ...SAE, metadata: { normLimit: "none" } };
  const cases: [Sae[], string][] = [
    [[], "there are no SAEs to evaluate"],
    [
      [SAE, limited],
      'SAE 1 excludes activations above "none", SAE 0 above {"multiple":10}, expected the same',
    ],
  ];
  for (const [wrong, text] of cases) {
    await assertRejects(() => evaluateCrossEntropies(gpu, model, wrong, ROWS), RangeError, text);
  }
  await evaluateCrossEntropies(gpu, model, [SAE, limited], ROWS, { normLimit: "none" });
});

Deno.test("evaluateCrossEntropy refuses rows and models that do not fit", async () => {
  using gpu = await openTestDevice();
  const wide = { ...fakeModel(), dModel: 5 };
  const row = ROWS[0];
  const cases: [() => Promise<unknown>, string][] = [
    [
      () => evaluateCrossEntropy(gpu, wide, SAE, ROWS),
      "the SAE's dModel is 3, the hook's is 5",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), SAE, []),
      "there were no token rows to evaluate on",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), SAE, [row, row, Int32Array.of(1, 2)]),
      "token row 2 has 2 tokens, the first 4",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), SAE, [Int32Array.of(1)]),
      "token rows have 1 tokens, expected at least 2",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS, { skipPositions: [0, 1, 2] }),
      "skipPositions leaves none of 4 positions to measure",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), SAE, ROWS, { rowsPerRun: 0 }),
      "rowsPerRun is 0, expected a whole number above 0",
    ],
    [
      () => evaluateCrossEntropy(gpu, fakeModel(), { ...SAE, threshold: undefined }, ROWS),
      "the batchtopk SAE has no threshold",
    ],
  ];
  for (const [run, text] of cases) {
    await assertRejects(run, RangeError, text);
    assertEquals(gpu.allocated, 0);
  }
});
