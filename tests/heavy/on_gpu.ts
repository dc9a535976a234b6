// Long runs of what lies above the operations, on a GPU: `deno task test` has them on the CPU.
import { hasHardwareGpu } from "../../lib/device/gpu.ts";

Deno.env.set("SAEWING_DEVICE", await hasHardwareGpu() ? "gpu" : "software");
for (
  const name of [
    "training/defaults_test",
    "training/target_l0_test",
    "training/threshold_test",
    "stitching/controls_test",
    "stitching/fit_gain_test",
    "stitching/interpolate_test",
  ]
) await import(`../${name}.ts`);
