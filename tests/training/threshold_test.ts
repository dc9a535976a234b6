import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import { encode } from "../../lib/sae/encode.ts";
import { createRecentBatches } from "../../lib/training/recent_batches.ts";
import { NonFiniteError } from "../../lib/training/non_finite_error.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae, trainSaes } from "../../lib/training/train_sae.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { openTestDevice, randomMatrix, testOnCpu, testOnDevices } from "../gpu_helper.ts";
import { plantedRows } from "./planted_rows.ts";

const OPTIONS: TrainOptions = { architecture: "batchtopk", dictSize: 96, k: 6, learningRate: 3e-3 };

Deno.test("L0 at inference is k within 1 %, however few steps were taken", async () => {
  using gpu = await openTestDevice();
  const heldOut = plantedRows(1000, 8192, 24);
  // The weights move fast in the first steps: thresholds of then, averaged, gave L0 9.2 after 20.
  for (const steps of [5, 20, 100]) {
    const batches = Array.from({ length: 2 * steps }, (_, step) => plantedRows(step, 512, 24));
    const { sae } = await trainSae(gpu, batches, { ...OPTIONS, steps });
    const { l0 } = await evaluateSae(gpu, sae, [heldOut]);
    assertAlmostEquals(l0, 6, 0.06, `after ${steps} steps`);
  }
});

testOnDevices(
  "the threshold is the mean of what the final weights keep of the last batches",
  async (open) => {
    using gpu = await open();
    const batches = Array.from({ length: 9 }, (_, step) => plantedRows(step, 40 + step, 24));
    const { sae, history } = await trainSae(gpu, batches, { ...OPTIONS, thresholdBatches: 4 });
    const smallest = [];
    for (const batch of batches.slice(-4)) {
      const { values } = await encode(gpu, sae, batch, { selection: "batch" });
      smallest.push(values.reduce((least, value) => Math.min(least, value)));
    }
    const mean = smallest.reduce((sum, value) => sum + value, 0) / 4;
    assertAlmostEquals(sae.threshold![0], mean, 1e-6 * mean);
    // It is another than the steps' own.
    const before = history.slice(-4).reduce((sum, { smallestKept }) => sum + smallestKept, 0) / 4;
    assert(Math.abs(before / mean - 1) > 0.01);
  },
);

testOnCpu(
  "where the stream has more batches the threshold is measured on those, not learned from",
  async (open) => {
    using gpu = await open();
    const batches = Array.from({ length: 9 }, (_, step) => plantedRows(step, 40, 24));
    const options = { ...OPTIONS, thresholdBatches: 3 };
    const smallestOf = async (sae: Sae, chosen: Matrix[]) => {
      const found = [];
      for (const batch of chosen) {
        const { values } = await encode(gpu, sae, batch, { selection: "batch" });
        found.push(values.reduce((least, value) => Math.min(least, value)));
      }
      return found.reduce((sum, value) => sum + value, 0) / found.length;
    };
    // Of the steps taken, those asked for, and those that are left.
    for (const [steps, from, to] of [[2, 2, 4], [5, 5, 8], [8, 8, 9], [9, 6, 9]]) {
      let taken = 0;
      const stream = function* () {
        for (const batch of batches) {
          taken++;
          yield batch;
        }
      };
      const { sae, history } = await trainSae(gpu, stream(), { ...options, steps });
      const wanted = await smallestOf(sae, batches.slice(from, to));
      assertAlmostEquals(sae.threshold![0], wanted, 1e-6 * wanted, `${steps} steps`);
      assertEquals([history.length, taken], [steps, to]);
      // They change nothing else.
      const { sae: alone } = await trainSae(gpu, batches.slice(0, steps), { ...options, steps });
      assertEquals([sae.wEnc, sae.wDec, sae.bDec], [alone.wEnc, alone.wDec, alone.bDec]);
    }
  },
);

testOnCpu(
  "SAEs that end at different steps of one stream have the thresholds of runs alone",
  async (open) => {
    using gpu = await open();
    const batches = Array.from({ length: 9 }, (_, step) => plantedRows(step, 40, 24));
    const options = [{ ...OPTIONS, steps: 4, thresholdBatches: 2 }, { ...OPTIONS, steps: 9 }];
    const together = await trainSaes(gpu, batches, options);
    for (const [i, own] of options.entries()) {
      assertEquals(together[i], await trainSae(gpu, batches, own));
    }
  },
);

testOnCpu(
  "a run that fails measures its threshold without the batch that failed",
  async (open) => {
    using gpu = await open();
    const batches = Array.from({ length: 4 }, (_, step) => plantedRows(step, 40, 24));
    const whole = await trainSae(gpu, batches.slice(0, 2), OPTIONS);
    batches[2].data[7] = NaN;
    let failed: unknown;
    await trainSae(gpu, batches, OPTIONS).catch((error) => failed = error);
    assert(failed instanceof NonFiniteError && failed.step === 3);
    assertEquals(failed.sae?.threshold, whole.sae.threshold);
  },
);

Deno.test("recent batches are copies, bounded in number and in bytes", () => {
  const recent = createRecentBatches(3, 4 * 10);
  const shared = randomMatrix(0, 1, 4);
  for (let i = 0; i < 5; i++) {
    shared.data.fill(i);
    recent.add(shared);
  }
  const firsts = (count: number, without?: number) =>
    recent.last(count, without).map(({ data }) => data[0]);
  // Two of 16 bytes fit 40.
  assertEquals(firsts(9), [3, 4]);
  assertEquals(firsts(1), [4]);
  assertEquals(firsts(9, 1), [3]);
  assertEquals(firsts(9, 3), []);
  recent.add(randomMatrix(0, 3, 4));
  assertEquals(recent.last(9).map(({ rows }) => rows), [3]);
  const none = createRecentBatches(0);
  none.add(shared);
  assertEquals(none.last(3), []);
});
