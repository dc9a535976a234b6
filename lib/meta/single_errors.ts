import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { decodingTarget } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { maxDecoderCosine } from "../stitching/decoder_cosine.ts";

/**
 * What the bias and one meta-latent leave of each row: ‖w − ŵ₁‖², the one meta-latent being that, out of
 * all, which leaves least, with the weight at which it does.
 *
 * @returns [rows].
 */
export async function singleErrors(device: Device, meta: Sae, rows: Matrix): Promise<Float32Array> {
  const { x, scale } = decodingTarget(meta, rows);
  const { cols } = x;
  const data = x.data.map((value, at) => value - meta.bDec[at % cols]);
  const { cosine } = await maxDecoderCosine(device, meta, { ...x, data });
  return cosine.map((best, r) => {
    let squares = 0;
    for (let c = 0; c < cols; c++) squares += data[r * cols + c] ** 2;
    // Weights are never below zero.
    return scale[r] ** 2 * squares * (1 - Math.max(0, best) ** 2);
  });
}
