import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { activationTransform, transformActivations } from "../sae/activation_transform.ts";
import { openInference } from "../sae/inference.ts";
import { normalizeInput } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { createSpread } from "./spread.ts";

/** How much larger an SAE's activations should be, all by the same factor. */
export interface GainFit {
  /** Number of samples. */
  samples: number;
  /** g ≥ 0: the factor of all activations that makes the MSE least. 1 where nothing is active. */
  gain: number;
  /** Mean over samples of Σ_d (x − x̂)², the SAE as it is. */
  mse: number;
  /** The same with the gain. */
  mseWithGain: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², the SAE as it is. */
  nmse: number;
  /** The same with the gain. */
  nmseWithGain: number;
  /** Mean number of active latents a sample. */
  l0: number;
  /** Number of latents that are active in some sample. */
  activeLatents: number;
}

/** Options of {@linkcode fitGain}. */
export interface FitGainOptions {
  /** Most samples that are read, up to whole batches (default: all). */
  samples?: number;
  /** Called after each batch with the number of samples so far. */
  onProgress?: (samples: number) => void;
  /** Stops between two batches; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Fits one gain to an SAE: the factor g ≥ 0 in x̂ = g·Σ f w + b that makes Σ‖x − x̂‖² least, in one pass.
 *
 * An L1 penalty makes activations smaller than reconstruction wants them: their residual still has a
 * part along what was reconstructed, and any latent with a part along it, known or new, improves the
 * MSE. With its gain, an SAE's residual has no such part on average. With u = Σ f w and the residual
 * r = x − u − b, the least squares are g = 1 + Σ r·u / Σ‖u‖², two sums over samples.
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
  const transform = activationTransform(sae);
  using inference = openInference(device, sae);
  const spread = createSpread(sae.dModel);
  const sums: GainSums = { squares: 0, along: 0, decoded: 0 };
  const everActive = new Uint8Array(sae.dictSize);
  let [samples, active] = [0, 0];
  for await (const raw of batches) {
    signal?.throwIfAborted();
    const batch = transformActivations(raw, transform);
    const { codes, residual } = await inference.run(batch, { residual: true });
    addSums(sums, sae, batch, residual!);
    spread.add(batch);
    active += codes.latents.length;
    for (const latent of codes.latents) everActive[latent] = 1;
    samples += batch.rows;
    onProgress?.(samples);
    if (samples >= most) break;
  }
  if (samples === 0) throw new RangeError("there were no activations to fit a gain to");
  // Where no latent is active, u is rounding: x less itself.
  const gain = active === 0 || sums.decoded === 0 ? 1 : Math.max(0, 1 + sums.along / sums.decoded);
  const more = gain - 1;
  const withGain = sums.squares - 2 * more * sums.along + more * more * sums.decoded;
  const variance = spread.variance();
  return {
    ...{ samples, gain, l0: active / samples },
    activeLatents: everActive.reduce((sum, one) => sum + one, 0),
    ...{ mse: sums.squares / samples, mseWithGain: withGain / samples },
    ...{ nmse: sums.squares / variance, nmseWithGain: withGain / variance },
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

interface GainSums {
  /** Σ‖r‖². */
  squares: number;
  /** Σ r·u. */
  along: number;
  /** Σ‖u‖². */
  decoded: number;
}

/** u is what the latents add to the reconstruction: s·(x_n − b) − r, s undoing the normalisation. */
function addSums(sums: GainSums, sae: Sae, batch: Matrix, residual: Float32Array): void {
  const { dModel: d, bDec } = sae;
  const { x, scale } = normalizeInput(sae, batch);
  for (let row = 0; row < batch.rows; row++) {
    for (let c = 0; c < d; c++) {
      const r = residual[row * d + c];
      const u = scale[row] * (x.data[row * d + c] - bDec[c]) - r;
      sums.squares += r * r;
      sums.along += r * u;
      sums.decoded += u * u;
    }
  }
}
