import { assert } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";
import { trainSaes } from "../../lib/training/train_sae.ts";
import { plantedRows } from "./planted_rows.ts";

const MAIN = { architecture: "batchtopk", dictSize: 96, k: 6 } as const;

/** Fails unless the defaults learn where the stream's mean is twenty times what varies around it. */
export async function assertDefaultsLearn(gpu: Device): Promise<void> {
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
}
