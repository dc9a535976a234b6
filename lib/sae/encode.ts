import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import type { InferenceOptions } from "./encoded.ts";
import { openInference } from "./inference.ts";
import type { Sae } from "./sae.ts";
import type { StitchedSae } from "./stitched_sae.ts";

/**
 * Latent activations of samples, f(x) of Eq. 1. Latent i is active where its pre-activation is above
 * its threshold (Eq. 8), or, with `selection: "batch"`, where it is among the n·k largest (Eq. 7).
 * Samples are transformed and normalised first as the SAE's `inputTransform` and `inputNormalization` say.
 *
 * @param x Activations, [n, d].
 * @returns f, [n, m], as sparse rows.
 * @throws {RangeError} x has not the SAE's width, or is not finite.
 */
export async function encode(
  device: Device,
  sae: Sae | StitchedSae,
  x: Matrix,
  options: InferenceOptions = {},
): Promise<SparseMatrix> {
  using inference = openInference(device, sae, options);
  return (await inference.run(x)).codes;
}

/**
 * Reconstructions of samples, x̂ = f(x) · W_dec + b_dec of Eq. 2, transform and normalisation of the input
 * undone.
 *
 * @param x Activations, [n, d].
 * @returns x̂, [n, d].
 * @throws {RangeError} x has not the SAE's width, or is not finite.
 */
export async function reconstruct(
  device: Device,
  sae: Sae | StitchedSae,
  x: Matrix,
  options: InferenceOptions = {},
): Promise<Matrix> {
  using inference = openInference(device, sae, options);
  const { residual } = await inference.run(x, { residual: true });
  return { ...x, data: x.data.map((value, at) => value - residual![at]) };
}
