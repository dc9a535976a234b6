// All cases of tests of operations that draw a few by default (tests/depth.ts).
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "ops/cosine_on_cpu_test",
    "ops/cosine_test",
    "ops/ragged_test",
    "ops/screen_real_test",
    "ops/screen_test",
    "ops/select_above_test",
    "ops/select_active_test",
    "ops/select_batch_test",
    "ops/select_dead_test",
    "ops/select_largest_test",
    "ops/select_test",
    "ops/select_topk_test",
  ]
) await import(`../${name}.ts`);
