import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { randomMatrix } from "../gpu_helper.ts";

/**
 * Samples that are sums of a few of 48 fixed directions, with a little noise: what an SAE can learn.
 *
 * @param mean Added to every number (default 0.2).
 */
export function plantedRows(seed: number, rows: number, d: number, mean = 0.2): Matrix {
  const directions = randomMatrix(99, 48, d).data;
  const x = randomMatrix(seed, rows, d, 0.1);
  const random = createRandom(1000 + seed);
  for (let r = 0; r < rows; r++) {
    for (let active = 0; active < 5; active++) {
      const feature = random.below(48);
      const strength = 0.5 + random.uniform();
      for (let c = 0; c < d; c++) x.data[r * d + c] += strength * directions[feature * d + c];
    }
    for (let c = 0; c < d; c++) x.data[r * d + c] += mean;
  }
  return x;
}
