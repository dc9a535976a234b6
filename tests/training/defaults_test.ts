import { assert, assertEquals } from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";
import { completeOptions } from "../../lib/training/complete_options.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { preset } from "../../lib/training/presets.ts";
import { defaultLearningRate } from "../../lib/training/schedule.ts";
import { trainSaes } from "../../lib/training/train_sae.ts";
import { openTestDevice, randomSae } from "../gpu_helper.ts";
import { plantedRows } from "./planted_rows.ts";

const MAIN: TrainOptions = { architecture: "batchtopk", dictSize: 96, k: 6 };

Deno.test("the defaults learn where the stream's mean is twenty times what varies around it", async () => {
  using gpu = await openTestDevice();
  const batches = Array.from({ length: 150 }, (_, step) => plantedRows(step, 256, 24, 20));
  const steps = batches.length;
  const trained = await trainSaes(gpu, batches, [
    { ...MAIN, steps },
    // The defaults of version 0.1.0.
    {
      ...{ ...MAIN, steps, bDec: "zero", inputNormalization: "none", learningRate: 3e-4 },
      ...{ decaySteps: 0, auxCoefficient: 1 / 32 },
    },
    { architecture: "topk", dictSize: 96, k: 6, steps },
    { architecture: "relu", dictSize: 96, targetL0: 6, steps },
    { architecture: "jumprelu", dictSize: 96, targetL0: 6, steps },
  ]);
  const heldOut = plantedRows(1000, 4096, 24, 20);
  const nmse = [];
  for (const { sae } of trained) nmse.push((await evaluateSae(gpu, sae, [heldOut])).nmse);
  const [ours, before, ...others] = nmse;
  assert(ours < 0.25, `${nmse}`);
  assert(before > 1, `${nmse}`);
  assert(others.every((each) => each < 0.5), `${nmse}`);
});

Deno.test("defaults: the mean as bias, scaled samples, a learning rate by size and steps that falls at the end", () => {
  const { bDec, inputNormalization, learningRate, decaySteps, warmupSteps, auxCoefficient } =
    completeOptions({ ...MAIN, dictSize: 512, steps: 400 });
  assertEquals([bDec, inputNormalization], ["mean", "expected_average_only_in"]);
  assertEquals([learningRate, decaySteps, warmupSteps], [1.2e-2, 80, 0]);
  assertEquals(auxCoefficient, 1 / 4);
  assertEquals(completeOptions(MAIN).decaySteps, 0);

  const rate = (dictSize: number, steps?: number) =>
    defaultLearningRate({ architecture: "topk", dictSize, steps });
  // Four times the latents, half of it; eight times the steps too; never more than for 400 steps.
  assertEquals([rate(512, 100), rate(2048, 400), rate(512, 3200)], [1.2e-2, 6e-3, 6e-3]);
  assertEquals(rate(512), rate(512, 10_000));
  assertEquals(defaultLearningRate({ architecture: "relu", dictSize: 512, steps: 400 }), 6e-3);
});

Deno.test("an SAE to start from keeps its normalisation, and is not thrown off what it learned", () => {
  const initial = randomSae(1, 4, 16, { k: 2 });
  const settings = completeOptions({ architecture: "batchtopk", initial, steps: 100 });
  assertEquals([settings.inputNormalization, settings.learningRate], ["none", 3e-4]);
});

Deno.test("presets of the paper keep what the paper did", () => {
  for (const name of ["paper/gpt2-small", "paper/gemma-2-2b", "paper/relu-feature-splitting"]) {
    const { bDec, decaySteps, learningRate } = completeOptions(preset(name).options);
    assertEquals([bDec, decaySteps], ["zero", 0], name);
    assertEquals(learningRate, preset(name).options.learningRate, name);
  }
});
