import type { Matrix } from "../matrix.ts";
import type { Sae } from "./sae.ts";
import type { StitchedSae } from "./stitched_sae.ts";

/**
 * What is done to a model's activations before an SAE reads them. "center" subtracts from each
 * activation its mean over d, as TransformerLens does to models with LayerNorm by centring the weights
 * that write to the residual stream. LayerNorm subtracts it anyway: the model does not notice.
 */
export type ActivationTransform = "center";

/**
 * The transform that an SAE's activations need, from `metadata.activationTransform`.
 *
 * @throws {RangeError} It is an unknown one, or the two SAEs of a stitched one need different ones.
 */
export function activationTransform(sae: Sae | StitchedSae): ActivationTransform | undefined {
  if (sae.architecture === "stitched") {
    const [small, large] = [sae.small, sae.large].map(activationTransform);
    if (small === large) return small;
    throw new RangeError(
      `small needs ${small ?? "no"} transform of activations, large ${large ?? "none"}: ` +
        `they do not read the same numbers`,
    );
  }
  const transform = sae.metadata.activationTransform;
  if (transform === undefined || transform === "center") return transform;
  throw new RangeError(
    `metadata.activationTransform is ${JSON.stringify(transform)}, expected "center" or none`,
  );
}

/**
 * Transforms activations, [n, d]. What is transformed already stays as it is, up to rounding.
 *
 * @returns A new matrix; without a transform the one that was given.
 */
export function transformActivations(
  x: Matrix,
  transform: ActivationTransform | undefined,
): Matrix {
  if (transform === undefined) return x;
  const data = new Float32Array(x.data.length);
  for (let at = 0; at < data.length; at += x.cols) {
    let sum = 0;
    for (let c = 0; c < x.cols; c++) sum += x.data[at + c];
    const mean = sum / x.cols;
    for (let c = 0; c < x.cols; c++) data[at + c] = x.data[at + c] - mean;
  }
  return { ...x, data };
}
