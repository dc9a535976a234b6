// Encoding and reconstruction of a trained SAE in plain float64.
import type { Matrix } from "../../lib/matrix.ts";
import type { Selection } from "../../lib/sae/encoded.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { center, keepLargest, keepLargestOfRows, minusDecoded, preActivations } from "./dense.ts";
import { normalizeRows } from "./normalize_input.ts";
import { type PlainSparse, toSparse } from "./sparse.ts";

/** Runs an SAE on x: sparse codes, x̂, and Σ_d (x − x̂)² of each row. */
export function infer(sae: Sae, x: Matrix, selection?: Selection): {
  codes: PlainSparse;
  reconstruction: Float64Array;
  squaredErrors: number[];
} {
  const { dModel: d, dictSize: m, bDec } = sae;
  const { x: normalized, scale, outputScale } = normalizeRows(sae, x);
  const centered = center(normalized, bDec);
  const input = sae.subtractDecoderBias ? centered : normalized;
  const z = preActivations(input, sae.wEnc, sae.bEnc, x.rows, d, m);
  const limit = sae.threshold ?? new Float32Array(m);
  const mask = selection === "batch"
    ? keepLargest(z, x.rows * sae.k!)
    : (selection ?? sae.architecture) === "topk"
    ? keepLargestOfRows(z, m, Array.from({ length: m }, (_, i) => i), sae.k!)
    : z.map((value, at) => value > 0 && value > limit[at % m] ? 1 : 0);
  const f = z.map((value, at) => value * mask[at]);
  const residual = minusDecoded(centered, f, sae.wDec, x.rows, d, m)
    .map((e, at) => {
      const row = Math.floor(at / d);
      return scale[row] * normalized[at] - outputScale[row] * (normalized[at] - e);
    });
  const squaredErrors = Array.from(
    { length: x.rows },
    (_, r) => residual.subarray(r * d, (r + 1) * d).reduce((sum, e) => sum + e * e, 0),
  );
  return {
    codes: toSparse(z, mask, m),
    reconstruction: residual.map((e, at) => x.data[at] - e),
    squaredErrors,
  };
}
