import type { MetaSaeOptions, Sae, TrainOptions } from "../mod.ts";
import { preset } from "../mod.ts";
import { hasOwnOption } from "../lib/sae/architectures/registry.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";
import { checkWhole } from "./options.ts";
import { trainingOptions } from "./training_options.ts";
import { seedOf } from "./training_quality.ts";

/** Names of the options that say how a meta-SAE is trained. */
export const META_TRAINING = [
  ...["dict-size", "k", "lr", "warmup-steps", "decay-steps", "gradient-clip"],
  ...["aux-coefficient", "aux-k", "dead-after", "seed"],
];

const PAPER = preset("paper/meta-sae");

/** What trains a meta-SAE, or one like it, with everything that progress is reckoned by. */
export interface MetaTraining extends MetaSaeOptions {
  /** Number of meta-latents. */
  dictSize: number;
  /** Steps it takes. */
  steps: number;
  /** Rows of a batch. */
  batchSize: number;
  /** Of weights and shuffling. */
  seed: number;
}

/**
 * How a meta-SAE of an SAE's decoder rows is trained: as the options say, else as the one that is given
 * was, else as in the paper, with 3/64 of the latents (2304 of 49152), at least 2·k, and a seed that none
 * of the SAEs has: SAEs of one seed and width start from the same directions, and would be alike for
 * that alone.
 *
 * @param saes The SAE, then those that it is compared with.
 * @throws {UsageError} A number does not fit.
 */
export function metaTraining(
  options: Arguments,
  saes: readonly Sae[],
  given: Sae | undefined,
): MetaTraining {
  const rows = saes[0].dictSize;
  if (given) {
    const name = ["dict-size", "k"].find((name) => options.given[name]);
    if (name) throw new UsageError(`--${name} does not go with --meta: the meta-SAE has its own`);
  }
  checkWhole(options, ["epochs", "batch-size", "dict-size", "k"], 1);
  const asked = trainingOptions((name) =>
    META_TRAINING.includes(name) ? options.text(name) : undefined
  );
  const k = given ? given.k : asked.k ?? PAPER.options.k!;
  const batchSize = options.number("batch-size") ?? Math.min(PAPER.batchSize, rows);
  const epochs = options.number("epochs");
  const before = given && epochs === undefined ? given.metadata.steps as number : undefined;
  return {
    seed: freeSeed(saes),
    ...given ? settingsOf(given) : {},
    ...asked,
    architecture: given?.architecture ?? "batchtopk",
    k,
    dictSize: given?.dictSize ?? asked.dictSize ??
      Math.min(rows, Math.max(2 * k!, Math.round(rows * 3 / 64))),
    batchSize,
    steps: before ?? Math.ceil((epochs ?? PAPER.epochs!) * rows / batchSize),
  };
}

function freeSeed(saes: readonly Sae[]): number {
  const used = saes.map(seedOf);
  let seed = 0;
  while (used.includes(seed)) seed++;
  return seed;
}

/** What a saved meta-SAE says of its training. */
function settingsOf({ architecture, metadata }: Sae): Partial<TrainOptions> {
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
