import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { maxDecoderCosine } from "../stitching/decoder_cosine.ts";

/** An SAE to compare meta-latents with. */
export interface ComparedSae {
  /** Its name, in tables and plots. */
  name: string;
  /** The SAE, or its decoder rows. */
  sae: Sae | Matrix;
}

/** How like the latents of an SAE meta-latents are. */
export interface MetaComparison {
  /** Name of the SAE. */
  name: string;
  /** Its number of latents. */
  dictSize: number;
  /** [meta-latents] the largest cosine with one of its decoder rows. */
  cosine: Float32Array;
  /** [meta-latents] the latent that has it. */
  nearest: Uint32Array;
  /** Mean of `cosine`. */
  meanCosine: number;
}

/**
 * Compares the directions of meta-latents with the latents of SAEs of several sizes (Fig. 6). The paper
 * finds the meta-latents closest to SAEs of about their own number.
 *
 * A larger SAE has larger cosines by chance alone: `randomUnitRows` of its shape, as one more
 * `ComparedSae`, says how large.
 *
 * @param meta The meta-SAE, or its decoder rows.
 * @param options `signal` stops the search.
 * @throws {RangeError} An SAE has another width.
 */
export async function compareMetaLatents(
  device: Device,
  meta: Sae | Matrix,
  saes: readonly ComparedSae[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<MetaComparison[]> {
  const found: MetaComparison[] = [];
  for (const { name, sae } of saes) {
    const { cosine, nearest } = await maxDecoderCosine(device, sae, meta, { signal });
    const meanCosine = cosine.reduce((sum, value) => sum + value, 0) / cosine.length;
    found.push({ name, dictSize: decoderRows(sae).rows, cosine, nearest, meanCosine });
  }
  return found;
}
