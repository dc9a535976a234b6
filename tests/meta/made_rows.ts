// Decoder rows for tests: composed of few directions, as a meta-SAE expects them.
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { randomMatrix, randomSae } from "../gpu_helper.ts";

/** An SAE whose decoder rows are sums of two of `atoms` directions, at norm 1. */
export function composedSae(seed: number, latents: number, d: number, atoms: number): Sae {
  const directions = randomMatrix(seed, atoms, d).data;
  const random = createRandom(seed);
  const sae = randomSae(seed + 1, d, latents, { k: 2, threshold: new Float32Array(latents) });
  for (let i = 0; i < latents; i++) {
    const row = new Float32Array(d);
    for (const atom of [random.below(atoms), random.below(atoms)]) {
      for (let c = 0; c < d; c++) row[c] += directions[atom * d + c];
    }
    sae.wDec.set(row.map((value) => value / Math.hypot(...row)), i * d);
  }
  return sae;
}

/** An SAE's decoder rows. */
export function rowsOf({ wDec, dictSize, dModel }: Sae): Matrix {
  return { data: wDec, rows: dictSize, cols: dModel };
}
