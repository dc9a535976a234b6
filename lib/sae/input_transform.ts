import type { Matrix } from "../matrix.ts";
import type { InputTransform, Sae } from "./sae.ts";

/** What names a transform: an SAE, or a stitched one by its SAEs. */
export type Transforming = Pick<Sae, "inputTransform"> | { small: Pick<Sae, "inputTransform"> };

const TRANSFORMS: readonly InputTransform[] = ["none", "center"];

/** The transform of an SAE's input; of a stitched one that of both its SAEs, which is the same. */
export function inputTransformOf(sae: Transforming): InputTransform {
  return ("small" in sae ? sae.small : sae).inputTransform ?? "none";
}

/**
 * Activations [n, d] as an SAE's `inputTransform` changes them, before they are normalised: "center" takes
 * from each its mean over d. What is centred already stays as it is, up to rounding.
 *
 * @returns A new matrix; without a transform the one that was given.
 */
export function transformInput(sae: Transforming, x: Matrix): Matrix {
  if (inputTransformOf(sae) === "none") return x;
  const data = new Float32Array(x.data.length);
  for (let at = 0; at < data.length; at += x.cols) {
    let sum = 0;
    for (let c = 0; c < x.cols; c++) sum += x.data[at + c];
    // A row that is not finite stays, so that what reads it names the number.
    const mean = Number.isFinite(sum) ? sum / x.cols : 0;
    for (let c = 0; c < x.cols; c++) data[at + c] = x.data[at + c] - mean;
  }
  return { ...x, data };
}

/**
 * Checks that a transform is a known one.
 *
 * @throws {RangeError} Naming what was found and what is wanted.
 */
export function checkInputTransform(found: unknown, name: string): void {
  if (found === undefined || (TRANSFORMS as readonly unknown[]).includes(found)) return;
  throw new RangeError(
    `${name} is ${JSON.stringify(found)}, expected one of ${TRANSFORMS.join(", ")}`,
  );
}
