import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { measureApart, type StitchingEffects } from "./measure_apart.ts";
import type { StitchingOptions } from "./sum_steps.ts";

/**
 * What each latent of a large SAE does to a small SAE that it alone is added to (Fig. 4 and 21):
 * all of them from one pass over the activations. Each latent keeps its own SAE's encoder and
 * threshold (of a topk SAE: it is active where it is in the whole SAE); the decoder bias is Eq. 5's, with
 * α = m₀ / (m₀ + 1), so that a latent that is never active changes the MSE too, a little: by deltaBias.
 *
 * @param gpu The open GPU.
 * @param small The SAE that is added to.
 * @param large The SAE whose latents are added.
 * @param batches Activations, [rows, d] each, in any number; read once.
 * @returns deltaMse, deltaBias and deltaL0, [m₁] each, and the small SAE's own MSE and L0. deltaL0 is the share of
 * samples in which a latent is active.
 * @throws {RangeError} The SAEs cannot be stitched, there are no activations, their width is not the
 * SAEs', or one is not finite.
 *
 * @example Latents that improve the small SAE most
 * ```ts ignore
 * const { deltaMse } = await latentEffects(device, small, large, batches);
 * const best = [...deltaMse.keys()].sort((a, b) => deltaMse[a] - deltaMse[b]).slice(0, 10);
 * ```
 */
export async function latentEffects(
  device: Device,
  small: Sae,
  large: Sae,
  batches: Batches,
  options: StitchingOptions = {},
): Promise<StitchingEffects> {
  const stepOf = new Int32Array(small.dictSize + large.dictSize).fill(-1);
  for (let i = 0; i < large.dictSize; i++) stepOf[small.dictSize + i] = i;
  const plan = { steps: large.dictSize, stepOf };
  const counts = () => ({ removed: 0, inserted: 1 });
  return await measureApart(device, small, large, plan, counts, batches, options);
}
