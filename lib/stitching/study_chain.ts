import { type Batches, readRepeatedly } from "../batches.ts";
import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import {
  type DecoderBiasAgreement,
  decoderBiasAgreement,
  type DecoderOverlap,
  decoderOverlap,
} from "./decoder_cosine.ts";
import { type PairStudy, type PairStudyOptions, studyPair } from "./study_pair.ts";

/** An SAE and its name. */
export interface NamedSae {
  /** Its name, in results and progress. */
  name: string;
  /** The SAE. */
  sae: Sae;
}

/** Two SAEs that were studied, by name. */
export interface StudiedPair {
  /** Name of the small SAE. */
  small: string;
  /** Name of the large SAE. */
  large: string;
  /** What was measured. */
  study: PairStudy;
}

/** One of the SAEs that were stitched. */
export interface StitchedSaeRow {
  /** Its name. */
  name: string;
  /** How it selects latents. */
  architecture: string;
  /** Number of latents m. */
  dictSize: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖². */
  nmse: number;
  /** Latents that are active in no sample. */
  deadLatents: number;
}

/** Options of {@linkcode studyChain}. */
export interface ChainStudyOptions extends PairStudyOptions {
  /** More SAEs for the comparison of all pairs, of other seeds for example. */
  also?: readonly NamedSae[];
}

/** Results of stitching SAEs of growing size. */
export interface ChainStudy {
  /** The SAEs, in the order of the chain. */
  saes: StitchedSaeRow[];
  /** Each SAE and the next. */
  pairs: StudiedPair[];
  /** Overlap of all SAEs (Fig. 19). */
  overlap: DecoderOverlap;
  /** Agreement of their decoder biases (Fig. 20). */
  biases: DecoderBiasAgreement;
}

/**
 * Studies SAEs of growing size: each with the next by `studyPair`, and the overlap of all pairs.
 *
 * @param saes Two or more SAEs of the same activations, by growing size.
 * @param batches Activations, [rows, d] each, which are read twice per pair.
 * @throws {RangeError | TypeError} As `studyPair` does, or there are fewer than two SAEs.
 * @throws The signal's reason.
 *
 * @example
 * ```ts ignore
 * const chain = await studyChain(device, [{ name: "m768", sae: small }, { name: "m1536", sae: large }], batches);
 * console.log(chain.pairs[0].study.groups.largeOnly.length, "novel latents");
 * ```
 */
export async function studyChain(
  device: Device,
  saes: readonly NamedSae[],
  batches: Batches,
  { also = [], threshold = 0.7, onProgress, ...options }: ChainStudyOptions = {},
): Promise<ChainStudy> {
  if (saes.length < 2) throw new RangeError(`${saes.length} SAEs were given, expected at least 2`);
  const read = readRepeatedly(batches, 2 * (saes.length - 1), "a study of a chain");
  const pairs: StudiedPair[] = [];
  for (let i = 1; i < saes.length; i++) {
    const [small, large] = [saes[i - 1], saes[i]];
    const study = await studyPair(device, small.sae, large.sae, read, {
      ...options,
      threshold,
      onProgress: (progress) =>
        onProgress?.({ ...progress, phase: `${small.name} → ${large.name}: ${progress.phase}` }),
    });
    pairs.push({ small: small.name, large: large.name, study });
  }
  const all = [...saes, ...also];
  onProgress?.({ phase: "all with all", done: 0 });
  const overlap = await decoderOverlap(device, all, threshold, { signal: options.signal });
  return {
    saes: saes.map((sae, i) => describeSae(sae, pairs, i)),
    pairs,
    overlap,
    biases: decoderBiasAgreement(all),
  };
}

/** The result of an SAE: from the pair in which it is the small one; for the last, the large one. */
function describeSae({ name, sae }: NamedSae, pairs: StudiedPair[], i: number): StitchedSaeRow {
  const { l0, mse, nmse, activeLatents } = i < pairs.length
    ? pairs[i].study.controls.small
    : pairs[i - 1].study.controls.large;
  const { architecture, dictSize } = sae;
  return { name, architecture, dictSize, l0, mse, nmse, deadLatents: dictSize - activeLatents };
}

/** "A → B". */
export function pairTitle({ small, large }: StudiedPair): string {
  return `${small} → ${large}`;
}

/** A name for a pair's files: letters and digits of any script, others become "_". */
export function pairFile({ small, large }: StudiedPair): string {
  return `${small}_to_${large}`.replaceAll(/[^\p{L}\p{M}\p{N}_.-]+/gu, "_");
}
