import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import type { Sae } from "../sae/sae.ts";
import type { StepRecord } from "../training/step_record.ts";
import type { TrainingProgress } from "../training/options.ts";
import { recordedLossChange, recordedSeed } from "../training/recorded_training.ts";
import { compareMetaLatents } from "./compare_meta_latents.ts";
import { covarianceMatchedRows } from "./covariance_matched_rows.ts";
import { decompose } from "./decompose.ts";
import {
  type ComparedMetaLatents,
  leastSingleErrors,
  type MetaControl,
  type MetaFindings,
  trainingQuality,
} from "./meta_findings.ts";
import { completeMetaOptions, type MetaTraining } from "./meta_training.ts";
import { randomUnitRows } from "./random_unit_rows.ts";
import { replaceMetaDecoder } from "./replace_meta_decoder.ts";
import { type MetaSaeOptions, type TrainedMetaSae, trainMetaSae } from "./train_meta_sae.ts";

/** An SAE that meta-latents are compared with. */
export interface BesideMeta {
  /** Its name, in results and progress. */
  name: string;
  /** The SAE: of the same hook, usually smaller. */
  sae: Sae;
  /** Its NMSE, where it was measured: an SAE worse than the mean decides no claim. */
  nmse?: number;
}

/** Options of {@linkcode studyMeta}. */
export interface MetaStudyOptions extends MetaSaeOptions {
  /** A trained meta-SAE of this SAE, in place of training one. */
  meta?: Sae;
  /** NMSE of the SAE, where it was measured. */
  nmse?: number;
  /** SAEs to compare meta-latents with. */
  compare?: readonly BesideMeta[];
  /**
   * Whether the same is trained on random rows and with k = 1 (default true). Without controls no claim
   * is decided; each of the five takes as long as the meta-SAE.
   */
  controls?: boolean;
  /** Called with the meta-SAE when it is trained, before anything else is done with it. */
  onTrained?: (trained: TrainedMetaSae) => void | Promise<void>;
  /** Called as each training, named by `phase`, goes. */
  onProgress?: MetaSaeOptions["onProgress"];
}

/** Everything that section 5 of the paper measures of a meta-SAE: what `metaClaims` judges. */
export interface MetaStudy extends MetaFindings {
  /** The meta-SAE. */
  metaSae: Sae;
  /** Records of its training; none where it was trained before. */
  history: StepRecord[];
  /** Settings of all trainings. */
  training: MetaTraining;
}

/** What all trainings of a study share. */
interface Work {
  device: Device;
  sae: Sae;
  training: MetaTraining;
  signal?: AbortSignal;
  watch(phase: string): (progress: TrainingProgress) => void;
}

/**
 * Decomposes the latents of an SAE with a meta-SAE and measures everything of section 5: the
 * decomposition, the same for random unit rows and for random rows of the decoder rows' covariance, all
 * three with k = 1 too, and for each SAE of `compare` how similar its latents are to the meta-latents
 * (Fig. 6) and what its decoder rows explain in their place (Fig. 23), beside random rows.
 *
 * @param sae The SAE whose latents are decomposed.
 * @throws {RangeError | TypeError} An option does not fit, widths differ, or `meta` explains another SAE.
 * @throws The signal's reason. `onTrained` gets the meta-SAE also where training ended early.
 *
 * @example
 * ```ts ignore
 * const study = await studyMeta(device, sae, { epochs: 500, compare: [{ name: "m768", sae: small }] });
 * for (const { claim, holds } of metaClaims(study)) console.log(holds, claim);
 * ```
 */
export async function studyMeta(
  device: Device,
  sae: Sae,
  options: MetaStudyOptions = {},
): Promise<MetaStudy> {
  const { meta: given, nmse, compare = [], controls = true, onTrained, ...others } = options;
  const { onProgress, signal, ...asked } = others;
  const saes = [sae, ...compare.map((other) => other.sae)];
  const training = completeMetaOptions(asked, saes, given);
  const watch = (phase: string) => (progress: TrainingProgress) =>
    onProgress?.({ ...progress, phase });
  const work: Work = { device, sae, training, signal, watch };
  const trained = given === undefined
    ? await trainMetaSae(device, sae, { ...training, signal, onProgress: watch("meta-SAE") })
    : undefined;
  if (trained) await onTrained?.(trained);
  const meta = given ?? trained!.meta;
  signal?.throwIfAborted();
  const decomposition = await decompose(device, meta, sae);
  const trainedControls = controls ? await trainControls(work) : undefined;
  const compared: ComparedMetaLatents[] = [];
  for (const other of compare) {
    compared.push(await compareAndReplace(work, meta, other, controls));
  }
  return {
    ...{ decomposition, k: meta.k, controls: trainedControls, compared },
    sae: trainingQuality(sae, nmse),
    meta: { seed: recordedSeed(meta), lossChange: recordedLossChange(meta) },
    ...{ metaSae: meta, history: trained?.history ?? [], training },
  };
}

/** The same training on other rows, or with another k. */
async function trainControl(
  { device, training, signal, watch }: Work,
  rows: Sae | Matrix,
  phase: string,
): Promise<MetaControl> {
  const { name: _, ...settings } = training;
  const { meta } = await trainMetaSae(device, rows, {
    ...settings,
    signal,
    onProgress: watch(phase),
  });
  signal?.throwIfAborted();
  return { ...await decompose(device, meta, rows), lossChange: recordedLossChange(meta) };
}

/** The same training with one meta-latent per row; undefined where there is no k. */
async function trainSingle(
  work: Work,
  rows: Sae | Matrix,
  phase: string,
): Promise<MetaControl | undefined> {
  if (work.training.k === undefined) return undefined;
  const one = { ...work, training: { ...work.training, k: 1 } };
  return await trainControl(one, rows, `${phase}, one meta-latent per row`);
}

/** Random rows decomposed, with the best single meta-latent of both trainings. */
async function trainRandom(work: Work, rows: Matrix, phase: string): Promise<MetaControl> {
  const control = await trainControl(work, rows, phase);
  const single = await trainSingle(work, rows, phase);
  return { ...control, singleErrors: leastSingleErrors(control, single) };
}

async function trainControls(work: Work): Promise<NonNullable<MetaFindings["controls"]>> {
  const { sae, training: { seed } } = work;
  const unit = randomUnitRows(sae.dictSize, sae.dModel, { seed });
  const rows = covarianceMatchedRows(sae, { seed });
  return {
    isotropic: await trainRandom(work, unit, "control"),
    matched: await trainRandom(work, rows, "control of the same covariance"),
    single: await trainSingle(work, sae, "meta-SAE"),
  };
}

/** Meta-latents compared with the latents of another SAE, and replaced by them. */
async function compareAndReplace(
  { device, sae, training, signal, watch }: Work,
  meta: Sae,
  other: BesideMeta,
  matchedControl: boolean,
): Promise<ComparedMetaLatents> {
  const { name } = other;
  const { dictSize, dModel } = other.sae;
  const { seed } = training;
  const [comparison, isotropic, matched] = await compareMetaLatents(device, meta, [
    other,
    { name: "random unit rows", sae: randomUnitRows(dictSize, dModel, { seed }) },
    { name: "its covariance", sae: covarianceMatchedRows(other.sae, { seed }) },
  ], { signal });
  const { name: _, ...settings } = training;
  const replacement = await replaceMetaDecoder(device, meta, sae, other.sae, {
    ...settings,
    ...{ signal, matchedControl },
    onProgress: watch(`rows of ${name}, and random ones`),
  });
  signal?.throwIfAborted();
  const { explainedVariance, l0, deadMetaLatents, controls } = replacement;
  return {
    ...comparison,
    ...trainingQuality(other.sae, other.nmse),
    chance: { isotropic: isotropic.cosine, matched: matched.cosine },
    replaced: {
      ...{ explainedVariance, l0, deadMetaLatents },
      lossChange: recordedLossChange(replacement.meta),
    },
    replacedControls: controls,
  };
}

/** A sentence for each SAE that was trained with the meta-SAE's seed. */
export function sharedSeedWarnings(
  saes: readonly Pick<BesideMeta, "name" | "sae">[],
  seed: number,
): string[] {
  return saes.filter(({ sae }) => recordedSeed(sae) === seed).map(({ name }) =>
    `${name} has the meta-SAE's seed, ${seed}: both started from the same directions, and may be alike ` +
    `for that`
  );
}
