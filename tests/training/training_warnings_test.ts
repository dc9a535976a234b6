import { assert, assertEquals, assertMatch } from "@std/assert";

import type { StepRecord } from "../../lib/training/step_record.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import {
  type TrainingWarning,
  trainingWarnings,
  type WarnedSettings,
} from "../../lib/training/training_warnings.ts";
import { makeBatches } from "./made_batches.ts";
import { openTestDevice } from "../gpu_helper.ts";

const BATCHTOPK: WarnedSettings = {
  architecture: "batchtopk",
  dictSize: 100,
  k: 8,
  targetL0: undefined,
  deadAfter: 5,
};
const RELU: WarnedSettings = { ...BATCHTOPK, architecture: "relu", k: NaN };

/** A history of `steps` steps of 50 samples in which all is well, but for what is given. */
function planted(
  steps: number,
  given: (step: number) => Partial<StepRecord> = () => ({}),
): StepRecord[] {
  return Array.from({ length: steps }, (_, at) => ({
    step: at + 1,
    samples: 50 * (at + 1),
    ...{ loss: 0.2, reconstructionLoss: 0.2, auxiliaryLoss: 0, sparsityLoss: 0, l0: 8 },
    ...{ deadLatents: 3, smallestKept: 0.1 },
    ...(at % 100 === 0 ? { meanLoss: 1 } : {}),
    ...given(at + 1),
  }));
}

const kinds = (history: StepRecord[], settings = BATCHTOPK, ended = false) =>
  trainingWarnings(history, settings, ended).map(({ kind }) => kind);

Deno.test("a run in which all is well is not warned of, nor one of few steps", () => {
  for (const ended of [false, true]) {
    for (const settings of [BATCHTOPK, RELU, { ...RELU, targetL0: 8 }]) {
      assertEquals(kinds(planted(500), settings, ended), []);
      assertEquals(kinds(planted(19, () => ({ reconstructionLoss: 9 })), settings, ended), []);
      assertEquals(kinds([], settings, ended), []);
    }
  }
});

Deno.test("divergence: a loss above that of the mean, which no longer falls", () => {
  const above = planted(150, () => ({ reconstructionLoss: 1.01 }));
  const [warning] = trainingWarnings(above, BATCHTOPK, false);
  assertEquals([warning.kind, warning.step], ["divergence", 150]);
  assertMatch(warning.message, /loss is 1\.01, above that of predicting the mean, 1: .*smaller/);
  assertEquals(kinds(planted(150, () => ({ reconstructionLoss: 0.99 }))), []);
  // A rise at the end of a run that was well.
  const risen = planted(400, (step) => ({ reconstructionLoss: step > 370 ? 3 : 0.2 }));
  assertEquals(kinds(risen), ["divergence"]);
  // One bad step is none.
  const once = planted(400, (step) => ({ reconstructionLoss: step === 390 ? 5 : 0.2 }));
  assertEquals(kinds(once), []);
  // Far away at first, as with a decoder bias at zero: a warning only where it ends so.
  const falls = planted(150, (step) => ({ reconstructionLoss: 30 * 0.98 ** step }));
  assertEquals(kinds(falls), []);
  const [end] = trainingWarnings(falls, BATCHTOPK, true);
  assertEquals(end.kind, "divergence");
  assertMatch(end.message, /still falls: more steps/);
  // The loss of the mean is that of the last batches, not of the first.
  const grown = planted(600, (step) => ({
    ...{ reconstructionLoss: step > 100 ? 5 : 0.2 },
    ...(step % 100 === 1 ? { meanLoss: step > 100 ? 9 : 1 } : {}),
  }));
  assertEquals(kinds(grown), []);
  // Records of an older version have none: nothing is known.
  assertEquals(kinds(planted(150, () => ({ reconstructionLoss: 5, meanLoss: undefined }))), []);
});

Deno.test("dead_latents: more than half, where they could have been active", () => {
  const dead = (deadLatents: number) => planted(60, () => ({ deadLatents }));
  const [warning] = trainingWarnings(dead(51), BATCHTOPK, false);
  assertEquals(warning.kind, "dead_latents");
  assertMatch(warning.message, /51 of 100 latents are dead/);
  assertEquals(kinds(dead(50)), []);
  assertEquals(kinds(dead(51), RELU), ["dead_latents"]);
  const shortly = planted(60, (step) => ({ deadLatents: step % 10 === 0 ? 40 : 90 }));
  assertEquals(kinds(shortly), []);
  // 5 batches of 50 samples with 8 latents each are 2000 turns, not enough for 2000 latents.
  assertEquals(kinds(dead(1900), { ...BATCHTOPK, dictSize: 2000 }), []);
  assertEquals(kinds(dead(1000), { ...BATCHTOPK, dictSize: 1000 }), ["dead_latents"]);
});

Deno.test("l0: far from k, from its target, or of no use", () => {
  const at = (l0: number) => planted(60, () => ({ l0 }));
  assertEquals(kinds(at(7.3)), []);
  assertEquals(kinds(at(7.1)), ["l0"]);
  assertMatch(trainingWarnings(at(5), BATCHTOPK, false)[0].message, /5 latents .* k is 8/);
  const target = { ...RELU, targetL0: 16 };
  // It takes its time: only the end counts.
  assertEquals(kinds(at(50), target), []);
  assertEquals(kinds(at(15.3), target, true), []);
  assertEquals(kinds(at(16.7), target, true), []);
  for (const l0 of [15.1, 16.9]) assertEquals(kinds(at(l0), target, true), ["l0"]);
  assertMatch(trainingWarnings(at(20), target, true)[0].message, /20 latents .* 16 were asked for/);
  assertEquals(kinds(at(0.4), RELU), ["l0"]);
  assertEquals(kinds(at(0.6), RELU), []);
  assertEquals(kinds(at(51), RELU), []);
  assertEquals(kinds(at(51), RELU, true), ["l0"]);
});

Deno.test("not_converged: at the end, where the loss still fell", () => {
  const falling = (share: number) =>
    planted(200, (step) => ({ reconstructionLoss: 0.2 * (1 - share) ** (step / 20) }));
  assertEquals(kinds(falling(0.05), BATCHTOPK, true), ["not_converged"]);
  assertMatch(trainingWarnings(falling(0.05), BATCHTOPK, true)[0].message, /by 5\.0 %/);
  assertEquals(kinds(falling(0.05)), []);
  assertEquals(kinds(falling(0.02), BATCHTOPK, true), []);
  assertEquals(kinds(falling(-0.05), BATCHTOPK, true), []);
});

const many = (times = 8) => Array.from({ length: times }, () => makeBatches(24, 20)).flat();

async function train(options: TrainOptions, times?: number) {
  using gpu = await openTestDevice();
  const told: TrainingWarning[] = [];
  const all = { ...options, onWarning: (warning: TrainingWarning) => void told.push(warning) };
  const { sae, history } = await trainSae(gpu, many(times), all);
  const kept = (sae.metadata.warnings ?? []) as TrainingWarning[];
  return { history, kept, told };
}

Deno.test("runs that diverge or die are warned of while they train, and in the record", async () => {
  const wild = await train(
    {
      ...{ architecture: "batchtopk", dictSize: 64, k: 3, learningRate: 1 },
      ...{ inputNormalization: "none", bDec: "zero" },
    },
    16,
  );
  const first = wild.told.find(({ kind }) => kind === "divergence");
  assert(first && first.step < 320, `${JSON.stringify(wild.told)}`);
  assert(wild.kept.some(({ kind }) => kind === "divergence"));
  // Once for each kind.
  assertEquals(new Set(wild.told.map(({ kind }) => kind)).size, wild.told.length);

  const dying = await train({
    ...{ architecture: "relu", dictSize: 48, sparsityCoefficient: 10, learningRate: 1e-2 },
    inputNormalization: "none",
  });
  assert(dying.history.at(-1)!.deadLatents > 24);
  const found = dying.told.map(({ kind }) => kind);
  assert(found.includes("dead_latents") && found.includes("l0"), found.join());
  assertEquals(dying.kept.find(({ kind }) => kind === "dead_latents")!.step, 160);
});

Deno.test("a run that learns is not warned of", async () => {
  for (
    const options of [
      { architecture: "batchtopk", k: 3, auxCoefficient: 1 / 32 },
      { architecture: "relu", sparsityCoefficient: 0.01 },
    ] as const
  ) {
    const well = await train({
      ...{ dictSize: 64, learningRate: 3e-3, decaySteps: 40, steps: 160, bDec: "mean", seed: 1 },
      inputNormalization: "none",
      ...options,
    });
    assertEquals(well.kept.filter(({ kind }) => kind !== "not_converged"), []);
    assertEquals(well.told, well.kept);
  }
});

Deno.test("meanLoss is the loss of the batch's mean, at steps 1, 101, … whatever is read when", async () => {
  using gpu = await openTestDevice();
  const options = {
    ...{ architecture: "batchtopk", dictSize: 32, k: 3 } as const,
    ...{ lossNormalization: "none", inputNormalization: "layer_norm" } as const,
  };
  const batches = many().slice(0, 120);
  const { history } = await trainSae(gpu, batches, { ...options, recordEvery: 7 });
  const having = history.filter((record) => "meanLoss" in record);
  assertEquals(having.map(({ step }) => step), [1, 101]);
  // An SAE whose decoder bias is the mean and whose latents are silent has that loss.
  for (const lossNormalization of ["none", "input_deviation"] as const) {
    const { history: [record] } = await trainSae(gpu, batches.slice(0, 1), {
      ...{ architecture: "jumprelu", dictSize: 32, sparsityCoefficient: 0, bDec: "mean" },
      ...{ initialThreshold: 1e6, lossNormalization, inputNormalization: "layer_norm" },
    });
    assertEquals(record.l0, 0);
    assert(Math.abs(record.meanLoss! / record.reconstructionLoss - 1) < 1e-5);
  }
});
