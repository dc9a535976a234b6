// Sparse rows in the kernels' memory layout.
import { createRandom } from "../../lib/random.ts";

/** Compressed sparse rows. */
export interface PlainSparse {
  offsets: number[];
  latents: number[];
  values: number[];
}

/** The entries of `z` that a mask keeps, row by row in ascending order of latent. */
export function toSparse(
  z: ArrayLike<number>,
  mask: ArrayLike<number>,
  cols: number,
): PlainSparse {
  const sparse: PlainSparse = { offsets: [0], latents: [], values: [] };
  for (let from = 0; from < z.length; from += cols) {
    for (let i = 0; i < cols; i++) {
      if (!mask[from + i]) continue;
      sparse.latents.push(i);
      sparse.values.push(z[from + i]);
    }
    sparse.offsets.push(sparse.latents.length);
  }
  return sparse;
}

/** Sparse rows as a dense matrix [rows, cols]. */
export function toDense({ offsets, latents, values }: PlainSparse, cols: number): Float64Array {
  const dense = new Float64Array((offsets.length - 1) * cols);
  for (let r = 0; r + 1 < offsets.length; r++) {
    for (let at = offsets[r]; at < offsets[r + 1]; at++) dense[r * cols + latents[at]] = values[at];
  }
  return dense;
}

/** Random sparse rows with a `share` of all entries nonzero; the rows in `empty` have none. */
export function randomSparse(
  { seed, rows, cols, share, empty = [] }: {
    seed: number;
    rows: number;
    cols: number;
    share: number;
    empty?: number[];
  },
): PlainSparse {
  const random = createRandom(seed);
  const z = Float32Array.from({ length: rows * cols }, () => 0.1 + random.uniform());
  const mask = z.map((_, at) => {
    const taken = random.uniform() < share;
    return taken && !empty.includes(Math.floor(at / cols)) ? 1 : 0;
  });
  return toSparse(z, mask, cols);
}

/** Row of each entry. */
export function rowsOf({ offsets }: PlainSparse): number[] {
  return offsets.slice(1).flatMap((end, r) => Array(end - offsets[r]).fill(r));
}

/** Indices of the entries in order of latent, then of row. */
export function orderByLatent(sparse: PlainSparse): number[] {
  return [...sparse.latents.keys()].sort((a, b) => sparse.latents[a] - sparse.latents[b] || a - b);
}
