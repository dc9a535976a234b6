import {
  type ComparedMetaLatents,
  compareMetaLatents,
  covarianceMatchedRows,
  decompose,
  type Gpu,
  type Matrix,
  type MetaControl,
  type MetaFindings,
  randomUnitRows,
  replaceMetaDecoder,
  type Sae,
  saveSae,
  type StepRecord,
  trainMetaSae,
} from "../mod.ts";
import { metaProgress, type MetaTraining } from "./meta_training.ts";
import type { Output } from "./output.ts";
import { lossChangeOf, trainingQuality } from "./training_quality.ts";

/** What everything that is trained here has in common. */
export interface MetaWork {
  /** The open GPU. */
  gpu: Gpu;
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

/** Trains the meta-SAE and saves it, also where it was interrupted. */
export async function trainAndSave(
  { gpu, sae, name, training, signal, output }: MetaWork,
  folder: string,
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

/**
 * The same training on random unit rows, on random rows of the decoder rows' covariance, and, where there
 * is a k, on the decoder rows with k = 1.
 */
export async function trainControls(
  work: MetaWork,
): Promise<NonNullable<MetaFindings["controls"]>> {
  const { sae, training } = work;
  const { seed, k } = training;
  const unit = randomUnitRows(sae.dictSize, sae.dModel, seed);
  const isotropic = await trainControl(work, unit, "control");
  const rows = covarianceMatchedRows(sae, sae.dictSize, seed);
  const matched = await trainControl(work, rows, "control of the same covariance");
  if (k === undefined) return { isotropic, matched };
  const one = { ...work, training: { ...training, k: 1 } };
  return { isotropic, matched, single: await trainControl(one, sae, "one meta-latent a row") };
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
    ...await trainingQuality(other.folder, other.sae),
    chance: { isotropic: isotropic.cosine, matched: matched.cosine },
    replaced: { explainedVariance, l0, deadMetaLatents, lossChange },
    replacedControls: controls,
  };
}
