// How far the weights are from those of float64 autograd (PyTorch) after some steps from a common
// start on common batches, for a plain run and for runs with the auxiliary loss:
//   deno task bench:agreement [--steps 40]
import { parseArgs } from "@std/cli";
import { createRandom, initializeSae, openGpu, type TrainOptions, trainSae } from "../mod.ts";
import { runPeer, writeFloats } from "./peer.ts";

const steps = Number(parseArgs(Deno.args, { string: ["steps"] }).steps ?? 40);
const [n, d, m, k, lr] = [512, 48, 384, 6, 1e-3];

// Sparse sums of 96 directions, a mean and noise: some latents die, most do not.
const random = createRandom(7);
const noise = () => random.uniform() + random.uniform() + random.uniform() - 1.5;
const directions = Float32Array.from({ length: 96 * d }, noise);
const batches = Array.from({ length: steps }, () => {
  const data = Float32Array.from({ length: n * d }, () => 0.3 + 0.1 * noise());
  for (let row = 0; row < n; row++) {
    for (let active = 0; active < 4; active++) {
      const from = random.below(96) * d;
      const strength = random.uniform();
      for (let c = 0; c < d; c++) data[row * d + c] += strength * directions[from + c];
    }
  }
  return { rows: n, cols: d, data };
});
const initial = initializeSae({ architecture: "batchtopk", dModel: d, dictSize: m, k, random });
const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
for (const { data } of batches) await writeFloats(file, data);
file.close();

using gpu = await openGpu();
const runs: Record<string, Partial<TrainOptions>> = {
  "plain": { auxCoefficient: 0 },
  "auxiliary loss, defaults": { auxCoefficient: 1 / 32, auxK: 512, deadAfter: 5 },
  "auxiliary loss, fewer candidates": { auxCoefficient: 1 / 4, auxK: 8, deadAfter: 2 },
};
for (const [name, options] of Object.entries(runs)) {
  const { sae, history } = await trainSae(gpu, batches, {
    architecture: "batchtopk",
    initial,
    learningRate: lr,
    ...options,
  });
  const peer = await runPeer(initial, batchFile, {
    n,
    steps,
    lr,
    dtype: "float64",
    "aux-coefficient": options.auxCoefficient,
    "aux-k": options.auxK ?? 512,
    "dead-after": options.deadAfter ?? 5,
  });
  if (!peer) {
    console.log("no Python with PyTorch was found (PYTHON names the interpreter)");
    break;
  }
  const distances = (["wEnc", "bEnc", "wDec", "bDec"] as const).map((key) =>
    `${key} ${relativeDistance(sae[key], peer.sae[key]).toExponential(1)}`
  );
  const dead = history.map(({ deadLatents }) => deadLatents);
  console.log(`${name}: ${distances.join(", ")} (dead latents up to ${Math.max(...dead)})`);
}
await Deno.remove(batchFile);

function relativeDistance(actual: Float32Array, wanted: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (let at = 0; at < wanted.length; at++) {
    difference += (actual[at] - wanted[at]) ** 2;
    size += wanted[at] ** 2;
  }
  return Math.sqrt(difference / size);
}
