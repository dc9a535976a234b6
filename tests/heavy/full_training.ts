// All cases and steps of tests of training, stitching and inference that try few by default (tests/depth.ts).
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "sae/inference_test",
    "stitching/stitch_test",
    "training/bad_input_test",
    "training/checkpoint_test",
    "training/choose_dense_test",
    "training/matryoshka_test",
    "training/memory_test",
    "training/ragged_test",
    "training/same_bits_test",
    "training/training_step_test",
  ]
) await import(`../${name}.ts`);
