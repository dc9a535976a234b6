// Steps a second of one training step, ours beside PyTorch's dense step, in one process tree:
//   deno task bench [--architecture batchtopk] [--n 4096] [--d 768] [--m 3072] [--k 32] [--steps 6]
// relu and jumprelu, which are told no k, start from a bias with which about k latents are active.
import { parseArgs } from "@std/cli";
import {
  type Architecture,
  createRandom,
  initializeSae,
  openDevice,
  type Sae,
  type TrainOptions,
  trainSae,
} from "../mod.ts";
import { median, runPeer, writeFloats } from "./peer.ts";

const text = parseArgs(Deno.args, { string: ["architecture", "n", "d", "m", "k", "steps"] });
const architecture = (text.architecture ?? "batchtopk") as Architecture;
const ragged = architecture === "relu" || architecture === "jumprelu";
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
const weights = initializeSae({ architecture, dModel: d, dictSize: m, k, random });
const { k: _, ...unbounded } = weights;
const initial = ragged ? { ...unbounded, bEnc: biasFor(weights, batches[0].data) } : weights;
const sparsity = ragged ? { sparsityCoefficient: 1e-5 } : {};
const jump = architecture === "jumprelu" ? { bandwidth: 0.05, initialThreshold: 0.01 } : {};

using device = await openDevice();
const times: number[] = [];
const options: TrainOptions = {
  ...{ architecture, initial, learningRate: lr, recordEvery: 1 },
  ...sparsity,
  ...jump,
  onProgress: () => times.push(performance.now()),
};
const given = Array.from({ length: steps + 2 }, (_, step) => batches[step % 2]);
const { history } = await trainSae(device, given, options);
// The first two steps compile kernels and fill caches.
const ours = median(times.slice(2).map((time, at) => time - times[at + 1]));
const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
for (const { data } of batches) await writeFloats(file, data);
file.close();
const shared = { n, steps: steps + 2, lr };
const peer = architecture === "batchtopk"
  ? await runPeer(initial, batchFile, shared)
  : await runPeer(initial, batchFile, {
    ...shared,
    ...{ architecture, sparsity: sparsity.sparsityCoefficient, bandwidth: jump.bandwidth },
    "initial-threshold": jump.initialThreshold,
    ...architecture === "topk" ? { "aux-coefficient": 1 / 32 } : {},
    dtype: "float32",
  }, "peer_autograd.py");
await Deno.remove(batchFile);

const line = (name: string, milliseconds: number) =>
  console.log(
    `${name.padEnd(48)} ${milliseconds.toFixed(1).padStart(9)} ms/step ` +
      `${(1000 / milliseconds).toFixed(3).padStart(9)} steps/s`,
  );
const active = `L0 ${history[2].l0.toFixed(1)} → ${history.at(-1)!.l0.toFixed(1)}`;
console.log(`${architecture} training step, n ${n}, d ${d}, m ${m}, ${active}`);
line(`saewing on ${device.name}`, ours);
if (peer) {
  const theirs = median(peer.milliseconds.slice(2));
  line(`PyTorch ${peer.torch} on ${peer.device}, ${peer.threads} threads`, theirs);
  console.log(`ratio (PyTorch / saewing): ${(theirs / ours).toFixed(3)}`);
}

/** An encoder bias with which k latents a sample are active, measured on the first rows. */
function biasFor({ wEnc }: Sae, data: Float32Array): Float32Array {
  const rows = Math.min(n, 32);
  const z = Float32Array.from({ length: rows * m }, (_, at) => {
    const [row, latent] = [Math.floor(at / m) * d, at % m * d];
    let sum = 0;
    for (let c = 0; c < d; c++) sum += data[row + c] * wEnc[latent + c];
    return sum;
  }).sort();
  // A little below, so that none is zero where all are active.
  return new Float32Array(m).fill(-z[Math.max(0, z.length - rows * k)] + 1e-3);
}
