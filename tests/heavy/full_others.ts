// All cases of tests that draw a few by default (tests/depth.ts), but for selections and training.
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "device/cpu_test",
    "formats/fuzz_test",
    "kernels/kernels_test",
  ]
) await import(`../${name}.ts`);
