// All cases of the other tests that draw a few by default (tests/depth.ts).
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "cli/resume_test",
    "device/cpu_test",
    "formats/fuzz_test",
    "kernels/kernels_test",
    "language_model/hooks_test",
    "language_model/inner_hooks_test",
    "language_model/language_model_test",
  ]
) await import(`../${name}.ts`);
