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

/** Rows that are sums of `parts` of the atoms, each once, at norm 1. */
export function sumsOf(atoms: Matrix, rows: number, parts: number, seed: number): Matrix {
  const { cols } = atoms;
  const random = createRandom(seed);
  const data = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const chosen = new Set<number>();
    while (chosen.size < parts) chosen.add(random.below(atoms.rows));
    const row = new Float64Array(cols);
    for (const atom of chosen) {
      for (let c = 0; c < cols; c++) row[c] += atoms.data[atom * cols + c];
    }
    data.set(row.map((value) => value / Math.hypot(...row)), r * cols);
  }
  return { data, rows, cols };
}

/** An SAE's decoder rows. */
export function rowsOf({ wDec, dictSize, dModel }: Sae): Matrix {
  return { data: wDec, rows: dictSize, cols: dModel };
}
