// NMSE of an SAE trained here and of one that PyTorch trained on the same batches from the same weights, on
// held-out text, both with the inference threshold of Eq. 8:
//   deno task bench:quality [--steps 1000] [--lr 3e-4] [--batch 2048] [--m 1024] [--k 16]
import { parseArgs } from "@std/cli";
import {
  createRandom,
  evaluateSae,
  initializeSae,
  openDevice,
  openLanguageModel,
  streamActivations,
  trainSae,
} from "../mod.ts";
import { demoCorpus } from "../examples/demo_corpus.ts";
import { median, runPeer, writeFloats } from "./peer.ts";

const text = parseArgs(Deno.args, { string: ["steps", "lr", "batch", "m", "k"] });
const steps = Number(text.steps ?? 1000);
const lr = Number(text.lr ?? 3e-4);
const n = Number(text.batch ?? 2048);
const dictSize = Number(text.m ?? 1024);
const k = Number(text.k ?? 16);

using device = await openDevice();
await using model = await openLanguageModel(
  new URL("../examples/tiny-gpt2", import.meta.url).pathname,
  { hook: "/transformer/h.1/Add_1_output_0" },
);
const corpus = await demoCorpus();
const batches = streamActivations(model, corpus.train, { batchSize: n, seed: 0 });
const initial = initializeSae({
  architecture: "batchtopk",
  dModel: model.dModel,
  dictSize,
  k,
  random: createRandom(0),
});

const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
async function* recorded() {
  for await (const batch of batches) {
    await writeFloats(file, batch.data);
    yield batch;
  }
}
const began = performance.now();
const { sae, history } = await trainSae(device, recorded(), {
  architecture: "batchtopk",
  initial,
  learningRate: lr,
  steps,
  // Like the peer.
  decaySteps: 0,
  auxCoefficient: 1 / 32,
});
const ours = (performance.now() - began) / history.length;
file.close();
const peer = await runPeer(initial, batchFile, {
  ...{ n, steps: history.length, learningRate: lr },
  auxCoefficient: 1 / 32,
});
await Deno.remove(batchFile);

const heldOut = await Array.fromAsync(
  streamActivations(model, corpus.heldOut, { batchSize: 4096, maxTokens: 40960 }),
);
console.log(
  `${history.length} steps of ${n}, lr ${lr}, m ${dictSize}, k ${k}, ` +
    `${heldOut.length * 4096} held-out activations`,
);
const report = async (name: string, of: typeof sae, milliseconds: number) => {
  const { nmse, l0, deadLatents } = await evaluateSae(device, of, heldOut);
  console.log(
    `${name.padEnd(28)} NMSE ${nmse.toFixed(5)}  L0 ${l0.toFixed(3)}  never active ${deadLatents}` +
      `  ${milliseconds.toFixed(1)} ms/step`,
  );
  return nmse;
};
const mine = await report(`saewing on ${device.name}`, sae, ours);
if (peer) {
  const theirs = await report(`PyTorch ${peer.torch}`, peer.sae, median(peer.milliseconds));
  console.log(`NMSE ratio (saewing / PyTorch): ${(mine / theirs).toFixed(4)}`);
}
