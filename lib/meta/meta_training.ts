import { hasOwnOption } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import type { TrainOptions } from "../training/options.ts";
import { preset } from "../training/presets.ts";
import { recordedSeed } from "../training/recorded_training.ts";
import type { MetaSaeOptions } from "./train_meta_sae.ts";

/** Complete settings of a meta-SAE: the same train its controls. */
export interface MetaTraining extends MetaSaeOptions {
  /** Number of meta-latents. */
  dictSize: number;
  /** Number of steps. */
  steps: number;
  /** Rows per batch. */
  batchSize: number;
  /** Seed of weights and shuffling. */
  seed: number;
}

/**
 * Completes the options of a meta-SAE: what is given, else what a trained meta-SAE records, else the
 * paper's settings with 3/64 of the latents (2304 of 49152, at least 2·k) and the first seed that none
 * of the SAEs has. SAEs of one seed and width start from the same directions, and would be alike for
 * that alone.
 *
 * @param options What is given.
 * @param saes The SAE that is explained, then those that it is compared with.
 * @param trained The meta-SAE, where there is one: its dictionary size and k hold.
 */
export function completeMetaOptions(
  options: MetaSaeOptions,
  saes: readonly Sae[],
  trained?: Sae,
): MetaTraining {
  const paper = preset("paper/meta-sae");
  const rows = saes[0].dictSize;
  const { epochs, batchSize: givenSize, ...asked } = options;
  const k = trained ? trained.k : asked.k ?? paper.options.k!;
  const batchSize = givenSize ?? Math.min(paper.batchSize, rows);
  const recordedSteps = trained && epochs === undefined
    ? trained.metadata.steps as number
    : undefined;
  return {
    seed: freeSeed(saes),
    ...(trained ? recordedOptions(trained) : {}),
    ...asked,
    architecture: trained?.architecture ?? "batchtopk",
    k,
    dictSize: trained?.dictSize ?? asked.dictSize ??
      Math.min(rows, Math.max(2 * k!, Math.round(rows * 3 / 64))),
    batchSize,
    steps: asked.steps ?? recordedSteps ??
      Math.ceil((epochs ?? paper.epochs!) * rows / batchSize),
  };
}

function freeSeed(saes: readonly Sae[]): number {
  const used = saes.map(recordedSeed);
  let seed = 0;
  while (used.includes(seed)) seed++;
  return seed;
}

/** What a trained meta-SAE records of its training. */
function recordedOptions({ architecture, metadata }: Sae): Partial<TrainOptions> {
  const all = (metadata.training ?? {}) as Partial<TrainOptions>;
  const { learningRate, beta1, beta2, warmupSteps, decaySteps, gradientClip, seed } = all;
  const { auxK, deadAfter } = all;
  return {
    ...{ learningRate, beta1, beta2, warmupSteps, decaySteps, gradientClip, auxK, deadAfter },
    ...(seed === undefined ? {} : { seed }),
    ...Object.fromEntries(
      Object.entries(all).filter(([name]) => hasOwnOption(architecture, name)),
    ),
  };
}
