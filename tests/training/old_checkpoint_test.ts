import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { loadCheckpoint } from "../../lib/formats/checkpoint_folder.ts";

import { createRandom } from "../../lib/random.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { openTestDevice } from "../gpu_helper.ts";

// What the version before the defaults were changed wrote after 3 of 6 steps on these batches: a bias
// that started at zero, samples as they are, no checksum. Learning rate 1e-2, m 16, k 3 or λ 1e-3.
const BATCHES = Array.from({ length: 6 }, (_, step) => {
  const random = createRandom(step);
  const data = Float32Array.from({ length: 24 * 6 }, () => 2 * random.uniform() - 0.5);
  return { data, rows: 24, cols: 6 };
});
/** bDec with which that version ended. */
const ENDED = {
  batchtopk: [0.0480121486, 0.0471108630, 0.0523522981, 0.0442049243, 0.0480101925, 0.0579879470],
  jumprelu: [
    0.0579076111,
    -0.0547832213,
    -0.0034723526,
    -0.0549245737,
    -0.0522306338,
    0.0577461720,
  ],
};

for (const architecture of ["batchtopk", "jumprelu"] as const) {
  Deno.test(`a checkpoint of version 0.1.0 continues as it began: ${architecture}`, async () => {
    const url = new URL(`../fixtures/checkpoints/0.1.0_${architecture}`, import.meta.url);
    const resume = await loadCheckpoint(fromFileUrl(url));
    assert(resume?.steps === 3);
    using gpu = await openTestDevice();
    const { sae, history } = await trainSae(gpu, BATCHES, { architecture, resume });
    assertEquals([history.length, sae.inputNormalization, sae.inputScale], [6, "none", undefined]);
    for (const [c, wanted] of ENDED[architecture].entries()) {
      assertAlmostEquals(sae.bDec[c], wanted, 1e-5);
    }
    // Its 100 threshold batches are all of the run's.
    if (architecture === "batchtopk") assert(sae.threshold![0] > 0.3 && sae.threshold![0] < 0.7);
  });
}
