// All cases of tests of selections, which draw a few by default (tests/depth.ts).
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "ops/screen_test",
    "ops/select_above_test",
    "ops/select_batch_test",
    "ops/select_largest_test",
  ]
) await import(`../${name}.ts`);
