// The SAE of Eq. 5 for any two sets of latents, evaluated from scratch in plain float64.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";
import { normalizeRows } from "./normalize_input.ts";
import { toDense } from "./sparse.ts";

/** MSE, NMSE and L0 of a stitched SAE. */
export interface Measures {
  mse: number;
  nmse: number;
  l0: number;
}

/** Encodes all samples with both SAEs; returns a function that evaluates any selection of their latents. */
export function encodeBoth(small: Sae, large: Sae, batches: Matrix[]) {
  const d = small.dModel;
  const samples = batches.flatMap((batch) => {
    const { x, scale, outputScale } = normalizeRows(small, batch);
    const f0 = toDense(infer(small, batch).codes, small.dictSize);
    const f1 = toDense(infer(large, batch).codes, large.dictSize);
    return Array.from({ length: batch.rows }, (_, r) => ({
      raw: [...batch.data.subarray(r * d, (r + 1) * d)],
      x: [...x.subarray(r * d, (r + 1) * d)],
      scale: scale[r],
      outputScale: outputScale[r],
      f0: f0.subarray(r * small.dictSize, (r + 1) * small.dictSize),
      f1: f1.subarray(r * large.dictSize, (r + 1) * large.dictSize),
    }));
  });
  const mean = Array.from(
    { length: d },
    (_, c) => samples.reduce((sum, { raw }) => sum + raw[c], 0) / samples.length,
  );
  const variance = samples.reduce(
    (sum, { raw }) => sum + raw.reduce((own, value, c) => own + (value - mean[c]) ** 2, 0),
    0,
  );

  return function evaluate(
    smallLatents: Iterable<number>,
    largeLatents: Iterable<number>,
    biasOf?: { small: number; large: number },
  ): Measures {
    const [l0, l1] = [[...smallLatents], [...largeLatents]];
    // Eq. 5's bias is that of these latents, or of other numbers of them.
    const counts = biasOf ?? { small: l0.length, large: l1.length };
    const alpha = counts.small / (counts.small + counts.large);
    let squares = 0;
    let active = 0;
    for (const { x, scale, outputScale, f0, f1 } of samples) {
      const error = x.map((value, c) =>
        value - alpha * small.bDec[c] - (1 - alpha) * large.bDec[c]
      );
      for (const [sae, f, latents] of [[small, f0, l0], [large, f1, l1]] as const) {
        for (const latent of latents) {
          if (f[latent] === 0) continue;
          active++;
          for (let c = 0; c < d; c++) error[c] -= f[latent] * sae.wDec[latent * d + c];
        }
      }
      // x − x̂, of which x̂ is multiplied by the deviation alone.
      squares += error.reduce(
        (sum, e, c) => sum + (outputScale * e + (scale - outputScale) * x[c]) ** 2,
        0,
      );
    }
    const n = samples.length;
    return { mse: squares / n, nmse: squares / variance, l0: active / n };
  };
}
