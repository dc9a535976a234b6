// A stitched SAE (Eq. 5) in plain float64: runs both SAEs in full and adds the chosen latents' terms.
import type { Matrix } from "../../lib/matrix.ts";
import type { Selection } from "../../lib/sae/encoded.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";
import { normalizeRows } from "./normalize_input.ts";
import { toDense } from "./sparse.ts";

/** The latents taken from each SAE. */
export interface Choice {
  small: Sae;
  smallLatents: number[];
  large: Sae;
  largeLatents: number[];
}

/** Activations f [n, |L₀| + |L₁|], x̂, and Σ_d (x − x̂)² of each row. */
export function inferStitched(
  { small, smallLatents, large, largeLatents }: Choice,
  x: Matrix,
  selection?: Selection,
): { f: number[][]; reconstruction: Float64Array; squaredErrors: number[] } {
  const d = small.dModel;
  const [codes0, codes1] = [small, large].map((sae) =>
    toDense(infer(sae, x, selection).codes, sae.dictSize)
  );
  const alpha = smallLatents.length / (smallLatents.length + largeLatents.length);
  const { x: normalized, scale, outputScale } = normalizeRows(small, x);
  const f: number[][] = [];
  const reconstruction = new Float64Array(x.rows * d);
  const squaredErrors: number[] = [];
  for (let r = 0; r < x.rows; r++) {
    const f0 = smallLatents.map((i) => codes0[r * small.dictSize + i]);
    const f1 = largeLatents.map((i) => codes1[r * large.dictSize + i]);
    f.push([...f0, ...f1]);
    let squares = 0;
    for (let c = 0; c < d; c++) {
      let sum = alpha * small.bDec[c] + (1 - alpha) * large.bDec[c];
      smallLatents.forEach((i, at) => sum += f0[at] * small.wDec[i * d + c]);
      largeLatents.forEach((i, at) => sum += f1[at] * large.wDec[i * d + c]);
      const error = scale[r] * normalized[r * d + c] - outputScale[r] * sum;
      reconstruction[r * d + c] = x.data[r * d + c] - error;
      squares += error ** 2;
    }
    squaredErrors.push(squares);
  }
  return { f, reconstruction, squaredErrors };
}
