import { openGpu } from "../gpu_helper.ts";
import { assertDefaultsLearn } from "../training/defaults_helper.ts";

Deno.test("the defaults learn where the mean is twenty times what varies around it, on a GPU", async () => {
  using gpu = await openGpu();
  await assertDefaultsLearn(gpu);
});
