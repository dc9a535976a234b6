// Epochs per second of training a meta-SAE, ours and PyTorch's dense step on the same batches:
//   deno task bench:meta [--rows 49152] [--d 768] [--m 2304] [--batch 4096] [--steps 4]
// A few steps are timed and scaled to an epoch. The rows are sums of 4 of 2304 random directions, so that
// there is structure to find.
import { parseArgs } from "@std/cli";
import { createBuffers, readFloats, writeBuffer } from "../lib/device/buffer.ts";
import { shuffledEpochs } from "../lib/meta/shuffled_epochs.ts";
import { createRandom, initializeSae, type Matrix, openDevice, preset, trainSae } from "../mod.ts";
import { randomUnitRows } from "../lib/meta/mod.ts";
import { median, runPeer, writeFloats } from "./peer.ts";

const text = parseArgs(Deno.args, { string: ["rows", "d", "m", "batch", "steps"] });
const number = (name: "rows" | "d" | "m" | "batch" | "steps", otherwise: number) =>
  Number(text[name] ?? otherwise);
const [count, d, m] = [number("rows", 49152), number("d", 768), number("m", 2304)];
const [n, steps] = [number("batch", 4096), number("steps", 4)];
const { options } = preset("paper/meta-sae");
const lr = options.learningRate!;

const random = createRandom(1);
const rows = composedRows();
const initial = initializeSae({
  ...{ architecture: "batchtopk", dModel: d, dictSize: m, k: options.k, random },
});
const stream = shuffledEpochs(rows, n, 1);
const gathering: number[] = [];
const batches: Matrix[] = [];
for (let step = 0; step < steps + 2; step++) {
  const begun = performance.now();
  batches.push(stream.next().value!);
  gathering.push(performance.now() - begun);
}

using device = await openDevice();
const times: number[] = [];
await trainSae(device, batches, {
  ...options,
  ...{ dictSize: m, initial },
  recordEvery: 1,
  onProgress: () => times.push(performance.now()),
});
// The first two steps compile kernels and fill caches.
const step = median(times.slice(2).map((time, at) => time - times[at + 1]));
const uploading: number[] = [];
{
  using buffers = createBuffers(device);
  const buffer = buffers.zeros("batch", n * d);
  await readFloats(device, buffer, 1);
  for (const { data } of batches) {
    const begun = performance.now();
    writeBuffer(device, buffer, data);
    await readFloats(device, buffer, 1);
    uploading.push(performance.now() - begun);
  }
}
const ours = step + median(gathering);

const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
for (const { data } of batches) await writeFloats(file, data);
file.close();
const peer = await runPeer(initial, batchFile, {
  ...{ n, steps: steps + 2, learningRate: lr },
  ...{ auxCoefficient: options.auxCoefficient, deadAfter: options.deadAfter },
});
await Deno.remove(batchFile);

const line = (name: string, milliseconds: number) =>
  console.log(
    `${name.padEnd(48)} ${milliseconds.toFixed(1).padStart(9)} ms/step ` +
      `${(1000 / milliseconds / (count / n)).toFixed(4).padStart(9)} epochs/s`,
  );
console.log(`meta-SAE, ${count} rows of ${d}, ${m} meta-latents, k ${options.k}, batches of ${n}`);
line(`saewing on ${device.name}`, ours);
const share = (milliseconds: number) => `${(100 * milliseconds / ours).toFixed(1)} %`;
console.log(
  `of a step, gathering its rows takes ${share(median(gathering))}, uploading them at most ` +
    share(median(uploading)),
);
if (peer) {
  const theirs = median(peer.milliseconds.slice(2));
  line(`PyTorch ${peer.torch} on ${peer.device}, ${peer.threads} threads`, theirs);
  console.log(`ratio (PyTorch / saewing): ${(theirs / ours).toFixed(3)}`);
}

function composedRows(): Matrix {
  const atoms = randomUnitRows(2304, d, { seed: 2 }).data;
  const data = new Float32Array(count * d);
  for (let r = 0; r < count; r++) {
    const row = data.subarray(r * d, (r + 1) * d);
    for (let part = 0; part < 4; part++) {
      const weight = 0.5 + random.uniform();
      const atom = random.below(2304) * d;
      for (let c = 0; c < d; c++) row[c] += weight * atoms[atom + c];
    }
    let squares = 0;
    for (const value of row) squares += value * value;
    const norm = Math.sqrt(squares);
    for (let c = 0; c < d; c++) row[c] /= norm;
  }
  return { data, rows: count, cols: d };
}
