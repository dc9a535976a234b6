import { leastSingleErrors } from "../lib/report/meta_findings.ts";
import { hasOwnOption } from "../lib/sae/architectures/registry.ts";
import type { ComparedMetaLatents, MetaControl, MetaFindings } from "../lib/report/mod.ts";
import {
  compareMetaLatents,
  covarianceMatchedRows,
  decompose,
  type MetaSaeOptions,
  randomUnitRows,
  replaceMetaDecoder,
  trainMetaSae,
} from "../lib/meta/mod.ts";
import {
  type Device,
  type Matrix,
  preset,
  type Sae,
  saveSae,
  type StepRecord,
  type TrainOptions,
} from "../mod.ts";
import { UsageError } from "./command.ts";
import { metaProgress } from "./describe.ts";
import { type Arguments, checkWhole } from "./options.ts";
import type { Output } from "./output.ts";
import { lossChangeOf, seedOf, trainingQuality } from "./saes.ts";
import { trainingOptions } from "./training_options.ts";

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

/** What everything that is trained here has in common. */
export interface MetaWork {
  /** The open GPU. */
  gpu: Device;
  /** The SAE that is taken apart. */
  sae: Sae;
  /** Path of the SAE. */
  name: string;
  /** How a meta-SAE is trained. */
  training: MetaTraining;
  /** Ends it; work that is not done then throws the reason. */
  signal: AbortSignal;
  /** Where text goes. */
  output: Output;
}

/**
 * Trains the meta-SAE and saves it, also where it was interrupted.
 *
 * @param begin Called before it is saved.
 */
export async function trainAndSave(
  { gpu, sae, name, training, signal, output }: MetaWork,
  folder: string,
  begin: () => Promise<void>,
): Promise<{ meta: Sae; history: StepRecord[] }> {
  output.say(
    `${training.dictSize} meta-latents on ${sae.dictSize} decoder rows, k = ${training.k}, ` +
      `${training.steps} steps, on ${gpu.name}`,
  );
  const { meta, history, explainedVariance } = await trainMetaSae(gpu, sae, {
    ...training,
    ...{ name, signal },
    onProgress: metaProgress("meta-SAE", training, output),
  });
  await begin();
  await saveSae(meta, folder);
  output.say(
    `${history.length} steps explain ${(100 * explainedVariance).toFixed(1)} % of the variance; ` +
      `meta-SAE saved in ${folder}`,
  );
  return { meta, history };
}

/** The same training on other rows, or with another k. */
async function trainControl(
  { gpu, training, signal, output }: MetaWork,
  rows: Sae | Matrix,
  name: string,
): Promise<MetaControl> {
  const { meta } = await trainMetaSae(gpu, rows, {
    ...training,
    signal,
    onProgress: metaProgress(name, training, output),
  });
  signal.throwIfAborted();
  return { ...await decompose(gpu, meta, rows), lossChange: lossChangeOf(meta) };
}

/** The same training with one meta-latent a row; undefined where there is no k. */
async function trainSingle(
  work: MetaWork,
  rows: Sae | Matrix,
  name: string,
): Promise<MetaControl | undefined> {
  if (work.training.k === undefined) return undefined;
  const one = { ...work, training: { ...work.training, k: 1 } };
  return await trainControl(one, rows, `${name}, one meta-latent a row`);
}

/** Random rows taken apart, with the best single meta-latent out of both trainings. */
async function trainRandom(work: MetaWork, rows: Matrix, name: string): Promise<MetaControl> {
  const control = await trainControl(work, rows, name);
  const single = await trainSingle(work, rows, name);
  return { ...control, singleErrors: leastSingleErrors(control, single) };
}

/**
 * The same training on random unit rows and on random rows of the decoder rows' covariance; where there
 * is a k, on all three with one meta-latent a row too.
 */
export async function trainControls(
  work: MetaWork,
): Promise<NonNullable<MetaFindings["controls"]>> {
  const { sae, training: { seed } } = work;
  const unit = randomUnitRows(sae.dictSize, sae.dModel, seed);
  const rows = covarianceMatchedRows(sae, sae.dictSize, seed);
  return {
    isotropic: await trainRandom(work, unit, "control"),
    matched: await trainRandom(work, rows, "control of the same covariance"),
    single: await trainSingle(work, sae, "meta-SAE"),
  };
}

/** Meta-latents beside the latents of another SAE, and replaced by them. */
export async function compareAndReplace(
  { gpu, sae, training, signal, output }: MetaWork,
  meta: Sae,
  other: { name: string; folder: string; sae: Sae },
  matchedControl: boolean,
): Promise<ComparedMetaLatents> {
  const { name } = other;
  const { dictSize, dModel } = other.sae;
  const { seed } = training;
  const [comparison, isotropic, matched] = await compareMetaLatents(gpu, meta, [
    other,
    { name: "random unit rows", sae: randomUnitRows(dictSize, dModel, seed) },
    { name: "its covariance", sae: covarianceMatchedRows(other.sae, dictSize, seed) },
  ]);
  const replacement = await replaceMetaDecoder(gpu, meta, sae, other.sae, {
    ...training,
    ...{ signal, matchedControl },
    onProgress: metaProgress(`rows of ${name}, and random ones`, training, output),
  });
  signal.throwIfAborted();
  const { explainedVariance, l0, deadMetaLatents, controls } = replacement;
  const lossChange = lossChangeOf(replacement.meta);
  return {
    ...comparison,
    ...trainingQuality(other.folder, other.sae),
    chance: { isotropic: isotropic.cosine, matched: matched.cosine },
    replaced: { explainedVariance, l0, deadMetaLatents, lossChange },
    replacedControls: controls,
  };
}
