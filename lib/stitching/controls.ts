import type { Device } from "../device/device.ts";
import { addSamples, createSampleSums } from "../evaluation/sample_sums.ts";
import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import type { Encoded } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import { transformInput } from "../sae/input_transform.ts";
import { initializeSae } from "../sae/initialize.ts";
import { decodingTarget, type NormalizedInput } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { type Batches, openStream } from "../batches.ts";
import { type Measure, type StitchingOptions, type Totals, totalsOf } from "./pair.ts";

/** The factor by which all activations of an SAE should be multiplied. */
export interface GainFit {
  /** Number of samples. */
  samples: number;
  /** g ≥ 0: the factor of all activations that minimises the MSE. 1 where nothing is active. */
  gain: number;
  /** Mean over samples of Σ_d (x − x̂)², the SAE as it is. */
  mse: number;
  /** The same with the gain. */
  mseWithGain: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², the SAE as it is. */
  nmse: number;
  /** The same with the gain. */
  nmseWithGain: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Number of latents that are active in some sample. */
  activeLatents: number;
}

/** Options of {@linkcode fitGain}. */
export interface FitGainOptions extends StitchingOptions {
  /** Most samples that are read, up to whole batches (default: all). */
  samples?: number;
}

/**
 * Fits one gain to an SAE: the factor g ≥ 0 in x̂ = g·Σ f w + b that minimises Σ‖x − x̂‖², in one pass.
 *
 * An L1 penalty shrinks activations below the values that reconstruct best: the residual keeps a component
 * along the reconstruction, and any latent along that component, old or new, improves the MSE. With its gain,
 * an SAE's residual has no such component on average. With u = Σ f w and the residual r = x − u − b, the
 * least-squares solution is g = 1 + Σ r·u / Σ‖u‖², two sums over samples.
 *
 * @param batches Activations, [rows, d] each, in any number; read once.
 * @throws {RangeError} There are no activations, or they do not fit the SAE.
 *
 * @example How far an SAE shrinks its activations
 * ```ts ignore
 * const { gain, nmse, nmseWithGain } = await fitGain(device, sae, batches);
 * const unshrunk = withGain(sae, gain);
 * ```
 */
export async function fitGain(
  device: Device,
  sae: Sae,
  batches: Batches,
  { samples: most = Infinity, onProgress, signal }: FitGainOptions = {},
): Promise<GainFit> {
  using gain = openGain(device, sae);
  for await (const batch of openStream(batches)) {
    signal?.throwIfAborted();
    const samples = await gain.add(batch);
    onProgress?.({ phase: "activations", done: samples });
    if (samples >= most) break;
  }
  return gain.result();
}

/** Fits a gain to an SAE that no pair has encoded. Owns its buffers. */
function openGain(device: Device, sae: Sae) {
  const inference = openInference(device, sae);
  const sums = createSampleSums(sae.dModel);
  const gain = sumGain(sae);
  return {
    samples: () => sums.samples,
    /** Adds samples; returns how many there are so far. */
    async add(x: Matrix): Promise<number> {
      gain.add(decodingTarget(sae, x), await inference.run(x, { residual: true }));
      addSamples(sums, transformInput(sae, x));
      return sums.samples;
    },
    result(): GainFit {
      if (sums.samples === 0) {
        throw new RangeError("there were no activations to fit a gain to");
      }
      return gain.result(totalsOf(sums));
    },
    [Symbol.dispose]: () => inference[Symbol.dispose](),
  };
}

/** {@linkcode fitGain} of one SAE of a pair as a measure. */
export function measureGain(sae: Sae, side: "small" | "large"): Measure<GainFit> {
  const gain = sumGain(sae);
  return {
    add: (batch) => gain.add(batch.normalized, batch[side]),
    result: gain.result,
  };
}

/** The sums of an SAE's gain; u is what the latents add to the reconstruction, s·(x_n − b) − r. */
function sumGain({ dModel: d, dictSize, bDec }: Sae) {
  // Σ‖r‖², Σ r·u, Σ‖u‖².
  let [squares, along, decoded] = [0, 0, 0];
  let active = 0;
  const everActive = new Uint8Array(dictSize);
  return {
    add({ x, scale }: NormalizedInput, { codes, residual }: Encoded): void {
      for (let row = 0; row < x.rows; row++) {
        for (let c = 0; c < d; c++) {
          const r = residual![row * d + c];
          const u = scale[row] * (x.data[row * d + c] - bDec[c]) - r;
          squares += r * r;
          along += r * u;
          decoded += u * u;
        }
      }
      active += codes.latents.length;
      for (const latent of codes.latents) everActive[latent] = 1;
    },
    result({ samples, variance }: Totals): GainFit {
      // Where no latent is active, u is rounding: x less itself.
      const gain = active === 0 || decoded === 0 ? 1 : Math.max(0, 1 + along / decoded);
      const more = gain - 1;
      const withGain = squares - 2 * more * along + more * more * decoded;
      return {
        ...{ samples, gain, l0: active / samples },
        activeLatents: everActive.reduce((sum, one) => sum + one, 0),
        ...{ mse: squares / samples, mseWithGain: withGain / samples },
        ...{ nmse: squares / variance, nmseWithGain: withGain / variance },
      };
    },
  };
}

/**
 * An SAE whose activations count g times: its decoder rows times g. Which latents are active, and their
 * activations, stay; so do the directions of the decoder rows and their cosines, but not their norms.
 *
 * @throws {RangeError} The gain is below 0 or not finite.
 */
export function withGain(sae: Sae, gain: number): Sae {
  if (!(gain >= 0 && Number.isFinite(gain))) {
    throw new RangeError(`gain is ${gain}, expected a number from 0`);
  }
  return { ...sae, wDec: sae.wDec.map((w) => w * gain) };
}

/**
 * A control: an SAE with random latents. It has the shape, the decoder bias and about the L0 of the given
 * SAE, but random directions: encoder and decoder rows are the same random unit vectors, and the
 * k latents that are largest in a sample are active (Eq. 9), k being the L0 rounded. A result that this
 * random twin with a fitted gain reaches as well is no evidence of learning.
 *
 * @param l0 Mean number of active latents of the SAE.
 * @param seed Of the directions (default 0).
 */
export function randomTwin(sae: Sae, l0: number, { seed = 0 }: { seed?: number } = {}): Sae {
  const { dModel, dictSize, bDec, inputTransform, inputNormalization, inputScale } = sae;
  const k = Math.max(1, Math.min(dictSize, Math.round(l0)));
  // Far from common training seeds: a twin must differ from its SAE's initial weights.
  const random = createRandom((seed ^ 0x5eed7417) >>> 0);
  const twin = initializeSae({ architecture: "topk", dModel, dictSize, k, random });
  return {
    ...twin,
    wEnc: twin.wDec,
    bDec,
    ...(inputTransform === undefined ? {} : { inputTransform }),
    inputNormalization,
    ...(inputScale === undefined ? {} : { inputScale }),
  };
}

/** Measures of an SAE that verdicts on a pair take into account. */
export interface SaeControls {
  /** Number of latents m. */
  dictSize: number;
  /** Number of latents that are active in some sample. */
  activeLatents: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Mean over samples of Σ_d (x − x̂)² on the activations of the study. */
  mse: number;
  /** NMSE on the activations of the study: 1 or more is no better than their mean. */
  nmse: number;
  /** The factor of its activations that minimises its MSE: above 1 where it shrinks them. */
  gain: number;
  /** NMSE with that gain. */
  nmseWithGain: number;
  /** NMSE of as many random directions of the same L0, with their own gain (`randomTwin`). */
  randomNmse: number;
  /** Seed of its training, where it was trained by saewing. */
  seed?: number;
  /** Relative change of the loss at the end of training (`metadata.lossChange`), where it is known. */
  lossChange?: number;
}

/** Controls of two SAEs that are studied as a pair. */
export interface PairControls {
  /** Of SAE 0. */
  small: SaeControls;
  /** Of SAE 1. */
  large: SaeControls;
  /** Share of random rows, as many as the large SAE has, that are reconstruction latents of the small SAE (Eq. 6). */
  randomReconstruction: number;
}

// A few percent of accuracy are enough for a control's NMSE.
const RANDOM_SAMPLES = 4000;

/**
 * The gain of an SAE's random twin, on the first 4,000 samples of a pass, as a measure. Owns the
 * twin's buffers.
 */
export function measureTwin(device: Device, twin: Sae): Measure<GainFit> & Disposable {
  const gain = openGain(device, twin);
  return {
    async add({ raw }) {
      if (gain.samples() < RANDOM_SAMPLES) await gain.add(raw);
    },
    result: gain.result,
    [Symbol.dispose]: gain[Symbol.dispose],
  };
}

/** Measures of an SAE, from its gain and its twin's. */
export function controlsOf(sae: Sae, own: GainFit, twin: GainFit): SaeControls {
  const { activeLatents, l0, mse, nmse, gain, nmseWithGain } = own;
  return {
    ...{ dictSize: sae.dictSize, activeLatents, l0, mse, nmse, gain, nmseWithGain },
    randomNmse: twin.nmseWithGain,
    ...known("seed", (sae.metadata.training as { seed?: unknown } | undefined)?.seed),
    ...known("lossChange", sae.metadata.lossChange),
  };
}

/** A number of the metadata by its name; nothing where it is not a number. */
function known(name: "seed" | "lossChange", value: unknown): { [name: string]: number } {
  return typeof value === "number" && Number.isFinite(value) ? { [name]: value } : {};
}
