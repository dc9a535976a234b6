import { assert, assertAlmostEquals, assertEquals } from "@std/assert";

import { loadSae } from "../../lib/formats/load_sae.ts";
import { saveSae } from "../../lib/formats/sae_folder.ts";
import { lossChange } from "../../lib/training/loss_change.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { makeBatches } from "./made_batches.ts";
import { testOnCpu } from "../gpu_helper.ts";

const records = (losses: number[]) => losses.map((reconstructionLoss) => ({ reconstructionLoss }));
const losses = (steps: number, at: (step: number) => number) =>
  records(Array.from({ length: steps }, (_, step) => at(step)));

Deno.test("lossChange says whether the loss falls, rises or stays at the end", () => {
  // Of 40 steps the last eight count: 32 … 35 against 36 … 39.
  assertEquals(lossChange(losses(40, (step) => step < 36 ? 2 : 1)), -0.5);
  assertEquals(lossChange(losses(40, (step) => step < 36 ? 1 : 1.5)), 0.5);
  assertEquals(lossChange(losses(40, (step) => step < 32 ? 100 - step : 3)), 0);
  // 5, 4, 3, 2: means 4.5 and 2.5.
  assertAlmostEquals(lossChange(losses(20, (step) => 21 - step))!, 2.5 / 4.5 - 1, 1e-12);
  // Noise that averages out within a tenth.
  assertEquals(lossChange(losses(200, (step) => step % 2)), 0);
});

Deno.test("lossChange leaves steps out in which the learning rate falls", () => {
  // It rests at 3 for 80 steps, then falls with the learning rate.
  const annealed = losses(100, (step) => step < 80 ? 3 : 3 - 0.1 * (step - 80));
  assert(lossChange(annealed)! < -0.3);
  assertEquals(lossChange(annealed, { steps: 100, decaySteps: 20 }), 0);
  // A run that was stopped before counts as a whole; so does one whose rate falls in most of it.
  const stopped = losses(60, (step) => step < 54 ? 2 : 1);
  assertEquals(lossChange(stopped, { steps: 100, decaySteps: 20 }), -0.5);
  for (const decaySteps of [60, 100]) {
    assert(lossChange(annealed, { steps: 100, decaySteps })! < -0.3);
  }
  assertEquals(lossChange(annealed, { decaySteps: 0 }), lossChange(annealed));
});

Deno.test("lossChange is not known of fewer than 20 steps, nor of a loss of 0", () => {
  assertEquals(lossChange(losses(19, (step) => 1 / (1 + step))), undefined);
  assertEquals(lossChange([]), undefined);
  assertEquals(lossChange(losses(30, () => 0)), undefined);
});

testOnCpu("a trained SAE carries its lossChange, also when saved and loaded", async (open) => {
  using gpu = await open();
  const options = { architecture: "batchtopk", dictSize: 32, k: 3, learningRate: 1e-2 } as const;
  const { sae, history } = await trainSae(gpu, makeBatches(24, 10), options);
  assertEquals(sae.metadata.lossChange, lossChange(history));
  assert(sae.metadata.lossChange !== undefined);
  const folder = await Deno.makeTempDir();
  try {
    await saveSae(sae, folder);
    assertEquals((await loadSae(folder)).metadata.lossChange, sae.metadata.lossChange);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const few = await trainSae(gpu, makeBatches(24, 10).slice(1), options);
  assertEquals("lossChange" in few.sae.metadata, false);
});
