import type { LabelledTexts } from "../activations/read_labelled_texts.ts";
import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import { type MeanActivationOptions, meanActivations, type TextModel } from "./mean_activations.ts";
import { type ProbePerturbation, probePerturbation } from "./probe_perturbation.ts";
import { type ProbeSet, type ProbeSetOptions, probeSets } from "./probe_sets.ts";
import {
  type DenseProbe,
  denseProbes,
  type SparseProbe,
  type SparseProbeOptions,
  sparseProbes,
} from "./sparse_probes.ts";

/** Options of {@linkcode studyProbes}. */
export interface ProbeStudyOptions
  extends MeanActivationOptions, Omit<ProbeSetOptions, "groups">, SparseProbeOptions {
  /** How many latents are ablated (default 2, 5, 10, 20, 50, 100 and 500). */
  counts?: readonly number[];
}

/** Probes on one SAE. */
export interface ProbedSae {
  /** Its name. */
  name: string;
  /** Its architecture. */
  architecture: Sae["architecture"];
  /** Its dictionary size. */
  dictSize: number;
  /** A probe per class and k. */
  probes: SparseProbe[];
  /** What ablating latents does, per count; none with fewer than three labels. */
  perturbations: ProbePerturbation[];
}

/** What probes tell of several SAEs on one set of labelled texts. */
export interface ProbeStudy {
  /** Texts that were read, without those that have no token. */
  texts: number;
  /** The classes, with the texts that their probes were trained and tested on. */
  sets: ProbeSet[];
  /** The SAEs, in the order given. */
  saes: ProbedSae[];
  /** Baseline: probes on k channels of the residual stream. */
  channels: SparseProbe[];
  /** Baseline: probes on the whole residual stream. */
  residual: DenseProbe[];
}

/**
 * Sparse probing and targeted probe perturbation (A.9, Fig. 24 to 26) of several SAEs on labelled texts, which are
 * read once.
 *
 * @param saes SAEs of the model's hook, with a name each.
 * @throws {RangeError} Widths differ, or the labels make no sets (`probeSets`).
 *
 * @example Probes by dictionary size
 * ```ts no-eval
 * import { loadSae, openDevice, openLanguageModel } from "@saewing/saewing";
 * import { readLabelledTexts } from "@saewing/saewing/activations";
 * import { studyProbes } from "@saewing/saewing/interpretation";
 *
 * using device = await openDevice();
 * await using model = await openLanguageModel("Xenova/gpt2", { hook: "blocks.8.hook_resid_pre" });
 * const names = ["runs/768", "runs/1536"];
 * const saes = await Promise.all(names.map(async (name) => ({ name, sae: await loadSae(name) })));
 * const study = await studyProbes(device, model, saes, await readLabelledTexts("news.csv"));
 * for (const { name, probes } of study.saes) {
 *   for (const { label, k, correct, tested } of probes) console.log(name, label, k, correct / tested);
 * }
 * ```
 */
export async function studyProbes(
  device: Device,
  model: TextModel,
  saes: readonly { name: string; sae: Sae }[],
  { texts, labels, groups }: LabelledTexts,
  options: ProbeStudyOptions = {},
): Promise<ProbeStudy> {
  const split = { ...options, groups };
  // Labels that make no sets are an error before the texts are read.
  probeSets(labels, split);
  const all = saes.map(({ sae }) => sae);
  const means = await meanActivations(device, model, all, texts, options);
  const sets = probeSets(labels, split, (text) => means.tokens[text] > 0);
  const residual = denseProbes(means.residual, sets, options);
  return {
    texts: means.tokens.filter((tokens) => tokens > 0).length,
    sets,
    residual,
    channels: sparseProbes(means.residual, sets, options),
    saes: saes.map(({ name, sae }, i) => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ phase: "probing", done: i, total: saes.length });
      return {
        ...{ name, architecture: sae.architecture, dictSize: sae.dictSize },
        probes: sparseProbes(means.latents[i], sets, options),
        perturbations: sets.length < 2
          ? []
          : probePerturbation(sae, means, i, sets, residual, options),
      };
    }),
  };
}
