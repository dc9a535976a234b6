// All cases of tests of SAEs, training, stitching and meta-SAEs that draw a few by default (tests/depth.ts).
import { asked } from "../depth.ts";

asked.full = true;
for (
  const name of [
    "meta/decompose_test",
    "meta/train_meta_sae_test",
    "sae/bad_input_test",
    "sae/inference_test",
    "stitching/activation_similarity_test",
    "stitching/interpolate_test",
    "stitching/missing_information_test",
    "stitching/stitch_test",
    "stitching/study_pair_test",
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
