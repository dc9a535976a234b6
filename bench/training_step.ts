// Steps a second of one training step, ours beside PyTorch's dense step, in one process tree:
//   deno task bench [--n 4096] [--d 768] [--m 3072] [--k 32] [--steps 6]
import { parseArgs } from "@std/cli";
import { createRandom, initializeSae, openGpu, trainSae } from "../mod.ts";
import { median, runPeer, writeFloats } from "./peer.ts";

const text = parseArgs(Deno.args, { string: ["n", "d", "m", "k", "steps"] });
const number = (name: "n" | "d" | "m" | "k" | "steps", otherwise: number) =>
  Number(text[name] ?? otherwise);
const n = number("n", 4096);
const d = number("d", 768);
const m = number("m", 3072);
const k = number("k", 32);
const steps = number("steps", 6);
const lr = 3e-4;

const random = createRandom(1);
const batches = Array.from({ length: 2 }, () => ({
  rows: n,
  cols: d,
  data: Float32Array.from({ length: n * d }, () => random.uniform() + random.uniform() - 1),
}));
const initial = initializeSae({ architecture: "batchtopk", dModel: d, dictSize: m, k, random });

using gpu = await openGpu();
const times: number[] = [];
await trainSae(gpu, Array.from({ length: steps + 2 }, (_, step) => batches[step % 2]), {
  architecture: "batchtopk",
  initial,
  learningRate: lr,
  recordEvery: 1,
  onProgress: () => times.push(performance.now()),
});
// The first two steps compile kernels and fill caches.
const ours = median(times.slice(2).map((time, at) => time - times[at + 1]));
const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
for (const { data } of batches) await writeFloats(file, data);
file.close();
const peer = await runPeer(initial, batchFile, { n, steps: steps + 2, lr });
await Deno.remove(batchFile);

const line = (name: string, milliseconds: number) =>
  console.log(
    `${name.padEnd(48)} ${milliseconds.toFixed(1).padStart(9)} ms/step ` +
      `${(1000 / milliseconds).toFixed(3).padStart(9)} steps/s`,
  );
console.log(`BatchTopK training step, n ${n}, d ${d}, m ${m}, k ${k}`);
line(`saewing on ${gpu.name}`, ours);
if (peer) {
  const theirs = median(peer.milliseconds.slice(2));
  line(`PyTorch ${peer.torch} on ${peer.device}, ${peer.threads} threads`, theirs);
  console.log(`ratio (PyTorch / saewing): ${(theirs / ours).toFixed(3)}`);
}
