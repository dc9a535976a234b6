// Batches for tests of training.
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { randomMatrix } from "../gpu_helper.ts";

/** Batches of `rows` samples that have structure and a mean: twenty, the last of which may be smaller. */
export function makeBatches(
  rows: number,
  d: number,
  { steps = 20, lastRows = rows }: { steps?: number; lastRows?: number } = {},
): Matrix[] {
  const directions = randomMatrix(99, 12, d).data;
  return Array.from({ length: steps }, (_, step) => {
    const count = step === steps - 1 ? lastRows : rows;
    const batch = randomMatrix(step, count, d, 0.1);
    const random = createRandom(1000 + step);
    for (let r = 0; r < count; r++) {
      for (const feature of [random.below(12), random.below(12)]) {
        const strength = 1 + random.uniform();
        for (let c = 0; c < d; c++) {
          batch.data[r * d + c] += 0.2 + strength * directions[feature * d + c];
        }
      }
    }
    return batch;
  });
}
