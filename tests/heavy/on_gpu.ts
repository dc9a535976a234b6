// Runs the tests of modules above lib/ops on a GPU; `deno task test` runs them on the CPU.
import { hasHardwareGpu } from "../../lib/device/gpu.ts";
import { asked } from "../depth.ts";

asked.full = true;
asked.device = await hasHardwareGpu() ? "gpu" : "software";
for (
  const name of [
    "training/bad_input_test",
    "training/checkpoint_test",
    "training/defaults_test",
    "training/loss_change_test",
    "training/matryoshka_test",
    "training/ragged_test",
    "training/target_l0_test",
    "training/threshold_test",
    "training/train_saes_test",
    "training/training_step_test",
    "evaluation/evaluate_sae_test",
    "sae/bad_input_test",
    "sae/inference_test",
    "sae/input_transform_test",
    "meta/decompose_test",
    "meta/train_meta_sae_test",
    "stitching/activation_similarity_test",
    "stitching/controls_test",
    "stitching/fit_gain_test",
    "stitching/interpolate_test",
    "stitching/missing_information_test",
    "stitching/stitch_test",
    "stitching/study_pair_test",
  ]
) await import(`../${name}.ts`);
