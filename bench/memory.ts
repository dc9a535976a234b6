// Resident memory over a long run: deno task bench:memory [--steps 2000]
import { parseArgs } from "@std/cli";
import { createRandom, openDevice, trainSae } from "../mod.ts";

const steps = Number(parseArgs(Deno.args, { string: ["steps"] }).steps ?? 2000);
const [rows, cols, dictSize, k] = [512, 64, 512, 8];
const random = createRandom(1);

function* batches() {
  for (let step = 0; step < steps; step++) {
    const data = Float32Array.from({ length: rows * cols }, () => random.uniform() - 0.5);
    yield { rows, cols, data };
  }
}

using device = await openDevice();
await trainSae(device, batches(), {
  architecture: "batchtopk",
  dictSize,
  k,
  onProgress({ records }) {
    const { step } = records[records.length - 1];
    if (step % 200 !== 0) return;
    const resident = Deno.memoryUsage().rss / 2 ** 20;
    const gpuBytes = device.allocated / 2 ** 20;
    console.log(`step ${step}: ${resident.toFixed(1)} MiB resident, ${gpuBytes.toFixed(1)} on GPU`);
  },
});
