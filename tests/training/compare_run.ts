// Runs of BatchTopK and TopK training, compared with the oracle.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import { checkTrainOptions } from "../../lib/training/complete_options.ts";
import type { AnyTrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { type Open, presentAs, relativeDistance } from "../gpu_helper.ts";
import {
  createOracle,
  isFrozen,
  ORACLE_DEFAULTS,
  oracleStep,
  smallestKept,
} from "../oracles/batchtopk.ts";
import { normalizationOf, normalizeRows } from "../oracles/normalize_input.ts";

/** The weights of an SAE. */
export const WEIGHTS = ["wEnc", "bEnc", "wDec", "bDec"] as const;

/** Trains on a device and with the oracle, compares weights and records, returns the distances. */
export async function compareRun(
  open: Open,
  batches: Matrix[],
  options: Partial<AnyTrainOptions> & { k: number; dictSize: number },
  gpuOptions: DeviceOptions = {},
  kind?: "hardware" | "software",
  rates?: number[],
) {
  const d = batches[0].cols;
  // The oracle starts from the same weights, with a bias of zero.
  const plain = { inputNormalization: "none", bDec: "zero" } as const;
  const { auxK, ...rest } = {
    ...ORACLE_DEFAULTS,
    ...plain,
    learningRate: 3e-3,
    seed: 5,
    ...options,
  };
  const initial = options.initial ?? initializeSae({
    architecture: "batchtopk",
    dModel: d,
    dictSize: options.dictSize,
    random: createRandom(5),
  });
  const oracle = createOracle(initial);
  const perSample = options.architecture === "topk";
  const normalization = normalizationOf(options, batches[0]);
  const expected = batches.map((batch, at) =>
    oracleStep(oracle, normalizeRows(normalization, batch).x, {
      auxK,
      perSample,
      ...rest,
      learningRate: rates?.[at] ?? 3e-3,
    })
  );

  using gpu = await open(gpuOptions);
  const given = { architecture: "batchtopk" as const, auxK, recordEvery: 7, ...rest };
  const device = kind ? presentAs(gpu, kind) : gpu;
  const { sae, history } = await trainSae(device, batches, checkTrainOptions(given));
  assertEquals(gpu.allocated, 0);
  assertEquals(history.length, batches.length);
  let samples = 0;
  for (const [at, record] of history.entries()) {
    const oracleRecord = expected[at];
    const { rows } = batches[at];
    const name = `step ${at + 1}`;
    assertEquals(record.step, at + 1);
    assertEquals(record.samples, samples += rows);
    assertEquals(record.l0, oracleRecord.kept / rows, name);
    assertEquals(record.deadLatents, oracleRecord.dead, name);
    const close = (actual: number, wanted: number, what: string) =>
      assertAlmostEquals(actual, wanted, 1e-4 * Math.abs(wanted), `${name}: ${what}`);
    close(record.reconstructionLoss, oracleRecord.loss, "reconstruction loss");
    close(record.auxiliaryLoss, oracleRecord.auxiliaryLoss, "auxiliary loss");
    assertEquals("gradientNorm" in record, !!options.gradientClip);
    if (options.gradientClip) close(record.gradientNorm!, oracleRecord.gradientNorm, "norm");
    close(record.loss, oracleRecord.loss + oracleRecord.auxiliaryLoss, "loss");
    // Rounding of sums of size 1.
    const least = oracleRecord.smallestKept;
    assertAlmostEquals(record.smallestKept, least, 1e-5 * Math.max(1, least), name);
  }
  const { inputNormalization, inputScale } = normalization;
  assertEquals(sae.inputNormalization, inputNormalization);
  assertAlmostEquals(sae.inputScale ?? 0, inputScale ?? 0, 1e-12);
  const distances = WEIGHTS.map((name) => {
    const distance = relativeDistance(sae[name], oracle[name]);
    // They reach 6e-7 on llvmpipe, Vulkan and OpenGL.
    assert(distance < 1e-4, `${name} is ${distance} from the oracle's`);
    if (isFrozen(name, options.freezeDecoder)) {
      assertEquals(sae[name], initial[name]);
      return `${name} frozen`;
    }
    // The weights moved far more than that.
    assert(!(relativeDistance(initial[name], sae[name]) < 0.005), `${name} hardly moved`);
    return `${name} ${distance.toExponential(1)}`;
  });
  if (sae.architecture === "topk") {
    assertEquals(sae.threshold, undefined);
    return { sae, history, distances, initial };
  }
  // Eq. 8, over all batches (there are fewer than thresholdBatches), by the final weights.
  const smallest = batches.map((batch) =>
    smallestKept(oracle, normalizeRows(normalization, batch).x, { auxK, perSample, ...rest })
  ).filter((value) => value > 0);
  const mean = smallest.reduce((sum, value) => sum + value, 0) / smallest.length;
  assertAlmostEquals(sae.threshold![0], mean, 1e-4 * mean);
  assert(sae.threshold!.every((value) => value === sae.threshold![0]));
  return { sae, history, distances, initial };
}
