import { assertAlmostEquals, assertEquals } from "@std/assert";
import { encode } from "../../lib/sae/encode.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { randomMatrix, testOnDevices } from "../gpu_helper.ts";

testOnDevices("a k that is a mean may be a fraction: ⌊n·k⌋ of a batch stay", async (open) => {
  using gpu = await open();
  for (const architecture of ["batchtopk", "matryoshka_batchtopk"] as const) {
    for (const [rows, k, kept] of [[9, 1.5, 13], [10, 2.25, 22], [3, 0.2, 1]]) {
      const batches = [1, 2].map((seed) => randomMatrix(seed, rows, 6));
      const options = { architecture, dictSize: 20, k, auxCoefficient: 0 };
      const { sae, history } = await trainSae(gpu, batches, options);
      assertAlmostEquals(history[0].l0 * rows, kept, 1e-5);
      assertEquals(sae.k, k);
      const { latents } = await encode(gpu, sae, batches[0], { selection: "batch" });
      assertEquals(latents.length, kept);
      // It continues from one that has it.
      const more = { architecture, initial: sae, auxCoefficient: 0 };
      assertEquals((await trainSae(gpu, batches, more)).sae.k, k);
    }
  }
});
