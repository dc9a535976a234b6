import {
  compareMetaLatents,
  type Gpu,
  type MetaMeasures,
  randomUnitRows,
  replaceMetaDecoder,
  type Sae,
  saveSae,
  type StepRecord,
  trainMetaSae,
} from "../mod.ts";
import type { ComparedMetaLatents } from "../lib/report/meta_claims.ts";
import { metaProgress, type MetaTraining } from "./meta_training.ts";
import type { Output } from "./output.ts";

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

/** The same training on random unit vectors. */
export async function trainControl(
  { gpu, sae, training, signal, output }: MetaWork,
): Promise<MetaMeasures> {
  const rows = randomUnitRows(sae.dictSize, sae.dModel, training.seed);
  const { explainedVariance, l0, deadMetaLatents } = await trainMetaSae(gpu, rows, {
    ...training,
    signal,
    onProgress: metaProgress("control", training, output),
  });
  signal.throwIfAborted();
  return { explainedVariance, l0, deadMetaLatents };
}

/** Meta-latents beside the latents of another SAE, and replaced by them. */
export async function compareAndReplace(
  { gpu, sae, training, signal, output }: MetaWork,
  meta: Sae,
  other: { name: string; sae: Sae },
): Promise<ComparedMetaLatents> {
  const { dictSize, dModel } = other.sae;
  const chance = { name: "chance", sae: randomUnitRows(dictSize, dModel, training.seed) };
  const [comparison, { meanCosine: chanceCosine }] = await compareMetaLatents(gpu, meta, [
    other,
    chance,
  ]);
  const { explainedVariance, l0, deadMetaLatents } = await replaceMetaDecoder(
    gpu,
    meta,
    sae,
    other.sae,
    { ...training, signal, onProgress: metaProgress(`rows of ${other.name}`, training, output) },
  );
  signal.throwIfAborted();
  const replaced = { explainedVariance, l0, deadMetaLatents };
  return { ...comparison, chanceCosine, replaced };
}
