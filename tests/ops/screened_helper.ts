// Inputs for tests of screened selections.
import type { Factors } from "../../kernels/dense_tiled.ts";
import { createRandom } from "../../lib/random.ts";

/** Samples and an encoder. */
export interface Given {
  x: Float32Array;
  wEnc: Float32Array;
  bEnc: Float32Array;
  n: number;
  d: number;
  m: number;
}

/** The screening formats. */
export const ALL: Factors[] = ["int8", "float16", "float32"];

/** Integers: every sum is exact in any order, so that an oracle in float64 has the same bits. */
export function wholeNumbers(seed: number, n: number, d: number, m: number, most = 4): Given {
  const random = createRandom(seed);
  const whole = (length: number) =>
    Float32Array.from({ length }, () => random.below(2 * most + 1) - most);
  return { x: whole(n * d), wEnc: whole(m * d), bEnc: whole(m), n, d, m };
}

/** Numbers of every kind: normal, with a few huge coordinates, rows of zeros, tiny ones. */
export function wildNumbers(seed: number, n: number, d: number, m: number): Given {
  const random = createRandom(seed);
  const rows = (length: number) =>
    Float32Array.from({ length: length * d }, (_, at) => {
      const [row, column] = [Math.floor(at / d), at % d];
      const size = row % 11 === 3 ? 0 : row % 11 === 5 ? 1e-20 : row % 11 === 7 ? 1e4 : 1;
      return (2 * random.uniform() - 1) * size * (column === 2 ? 300 : 1);
    });
  const bEnc = Float32Array.from({ length: m }, () => random.uniform() - 0.5);
  return { x: rows(n), wEnc: rows(m), bEnc, n, d, m };
}
