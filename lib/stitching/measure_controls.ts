import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { fitGain, type FitGainOptions } from "./fit_gain.ts";
import { maxDecoderCosine } from "./max_decoder_cosine.ts";
import { randomTwin } from "./random_twin.ts";

/** What is to be known of an SAE before a pair is judged by it. */
export interface SaeControls {
  /** Number of latents m. */
  dictSize: number;
  /** Number of latents that are active in some sample. */
  activeLatents: number;
  /** Mean number of active latents a sample. */
  l0: number;
  /** NMSE on the activations of the study: 1 or more is no better than their mean. */
  nmse: number;
  /** The factor of its activations that makes its MSE least: above 1 where it shrinks them. */
  gain: number;
  /** NMSE with that gain. */
  nmseWithGain: number;
  /** NMSE of as many random directions of the same L0, with their own gain (`randomTwin`). */
  randomNmse: number;
  /** Seed of its training, where it was trained by saewing. */
  seed?: number;
  /** How far its loss still fell at the end of training (`metadata.lossChange`), where it is known. */
  lossChange?: number;
}

/** Controls of two SAEs that are studied as a pair. */
export interface PairControls {
  /** Of SAE 0. */
  small: SaeControls;
  /** Of SAE 1. */
  large: SaeControls;
  /** Share of as many random rows as the large SAE has that are no novelty beside the small one (Eq. 6). */
  randomReconstruction: number;
}

// A control's NMSE need be known to a few percent only.
const RANDOM_SAMPLES = 4000;

/**
 * Measures what a pair's verdicts are controlled by: gains, and what random directions would reach.
 *
 * @param threshold θ of Eq. 6.
 * @param batches Gives the activations anew; each SAE reads them once, each SAE's random twin the first
 * 4,000 samples.
 */
export async function measureControls(
  device: Device,
  small: Sae,
  large: Sae,
  batches: () => Batches,
  { threshold, ...options }: Omit<FitGainOptions, "samples"> & { threshold: number },
): Promise<PairControls> {
  const measured = [];
  let random: Sae | undefined;
  for (const [seed, sae] of [small, large].entries()) {
    const { activeLatents, l0, nmse, gain, nmseWithGain } = await fitGain(
      device,
      sae,
      batches(),
      options,
    );
    random = randomTwin(sae, l0, { seed });
    const twin = await fitGain(device, random, batches(), { ...options, samples: RANDOM_SAMPLES });
    measured.push({
      ...{ dictSize: sae.dictSize, activeLatents, l0, nmse, gain, nmseWithGain },
      randomNmse: twin.nmseWithGain,
      ...known("seed", (sae.metadata.training as { seed?: unknown } | undefined)?.seed),
      ...known("lossChange", sae.metadata.lossChange),
    });
  }
  const { cosine } = await maxDecoderCosine(device, random!, small, { signal: options.signal });
  return {
    small: measured[0],
    large: measured[1],
    randomReconstruction: cosine.filter((value) => value >= threshold).length / cosine.length,
  };
}

/** A number under its name; nothing where it is none. */
function known(name: "seed" | "lossChange", value: unknown): { [name: string]: number } {
  return typeof value === "number" && Number.isFinite(value) ? { [name]: value } : {};
}
