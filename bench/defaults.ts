// The defaults of training compared with options set by hand, on the embedded model's activations and on
// synthetic ones like Gemma's (planted_stream.ts), by NMSE on held-out activations at the inference
// threshold. Prints the table of docs/defaults.md:
//   deno task bench:defaults [--steps 400] [--n 512] [--m 512] [--k 16] [--only planted]
// or on activations of any model, which `saewing harvest` wrote:
//   deno task bench:defaults --store FOLDER --held-out FOLDER [--steps …]
import { checkTrainOptions } from "../lib/training/mod.ts";
import { parseArgs } from "@std/cli";
import { fromFileUrl } from "@std/path";
import {
  type Device,
  evaluateSae,
  type Matrix,
  openActivationStore,
  openDevice,
  openLanguageModel,
  streamActivations,
  type TrainOptions,
  trainSaes,
} from "../mod.ts";
import { demoCorpus } from "../examples/demo_corpus.ts";
import { plantedStream } from "./planted_stream.ts";

const args = parseArgs(Deno.args, {
  string: ["steps", "n", "m", "k", "only", "store", "held-out"],
});
if ((args.store === undefined) !== (args["held-out"] === undefined)) {
  throw new Error("expected --store and --held-out, or neither");
}
const [steps, n] = [Number(args.steps ?? 400), Number(args.n ?? 512)];
const [dictSize, k] = [Number(args.m ?? 512), Number(args.k ?? 16)];

const BEFORE = { learningRate: 3e-4, decaySteps: 0, auxCoefficient: 1 / 32 };
const OPTIONS: [name: string, options: Partial<TrainOptions>][] = [
  ["defaults", {}],
  ["earlier defaults: bias zero, samples as they are, lr 3e-4 to the end, auxiliary loss 1/32", {
    ...{ bDec: "zero", inputNormalization: "none", ...BEFORE },
  }],
  ["… bias at the mean", { inputNormalization: "none", ...BEFORE }],
  ["… and samples scaled", BEFORE],
  ...[1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2].flatMap((learningRate): typeof OPTIONS => [
    [`lr ${learningRate}`, { learningRate }],
    [`lr ${learningRate} to the end`, { learningRate, decaySteps: 0 }],
  ]),
  ["lr 1.6e-2, falling over the last half, warm-up over a tenth", {
    ...{ learningRate: 1.6e-2, decaySteps: steps >> 1, warmupSteps: Math.round(steps / 10) },
  }],
  ["warm-up over a tenth", { warmupSteps: Math.round(steps / 10) }],
  ["β2 0.999", { beta2: 0.999 }],
  ["no auxiliary loss", { auxCoefficient: 0 }],
  ["auxiliary loss 1/32, as in the paper", { auxCoefficient: 1 / 32 }],
  ["auxiliary loss 1", { auxCoefficient: 1 }],
  ["dead after 20 batches", { deadAfter: 20 }],
  ["gradients clipped to 1", { gradientClip: 1 }],
  ["layer_norm", { inputNormalization: "layer_norm" }],
];

interface Stream {
  name: string;
  batches(): AsyncIterable<Matrix> | Iterable<Matrix>;
  heldOut: Matrix[];
}

async function* tinyStreams(): AsyncGenerator<Stream> {
  const folder = fromFileUrl(import.meta.resolve("../examples/tiny-gpt2"));
  await using model = await openLanguageModel(folder, { hook: "blocks.2.hook_resid_pre" });
  const { train, heldOut } = await demoCorpus();
  const held = streamActivations(model, heldOut, { batchSize: 4096, maxTokens: 16_384 });
  yield {
    name: "tiny-gpt2",
    batches: () => streamActivations(model, train, { batchSize: n, bufferRows: 64 * n }),
    heldOut: await Array.fromAsync(held),
  };
}

async function storedStream(folder: string, heldOut: string): Promise<Stream> {
  const store = await openActivationStore(folder);
  const held = await openActivationStore(heldOut);
  return {
    name: `${store.model} at ${store.hook}`,
    batches: () => store.batches({ batchSize: n, seed: 0, epochs: Infinity }),
    heldOut: await Array.fromAsync(held.batches({ batchSize: 4096, seed: 0, epochs: 1 })),
  };
}

function* plantedBatches(): Generator<Matrix> {
  for (let step = 0; step < steps; step++) yield plantedStream(step, n);
}

async function measure(device: Device, { name, batches, heldOut }: Stream): Promise<void> {
  const trained = await trainSaes(
    device,
    batches(),
    OPTIONS.map(([, options]) =>
      checkTrainOptions({ architecture: "batchtopk", dictSize, k, steps, ...options })
    ),
  );
  const rows: { name: string; nmse: number; l0: number; never: number }[] = [];
  for (const [i, { sae }] of trained.entries()) {
    const { nmse, l0, deadLatents } = await evaluateSae(device, sae, heldOut);
    rows.push({ name: OPTIONS[i][0], nmse, l0, never: deadLatents });
  }
  const best = Math.min(...rows.map(({ nmse }) => nmse));
  console.log(`\n${name}: m ${dictSize}, k ${k}, ${steps} steps of ${n}\n`);
  console.log(
    `| options | NMSE | over the best | L0 | never active |\n| --- | --- | --- | --- | --- |`,
  );
  for (const { name, nmse, l0, never } of rows) {
    const over = `${(100 * (nmse / best - 1)).toFixed(1)} %`;
    console.log(`| ${name} | ${nmse.toFixed(4)} | ${over} | ${l0.toFixed(2)} | ${never} |`);
  }
}

using device = await openDevice();
if (args.store !== undefined) {
  await measure(device, await storedStream(args.store, args["held-out"]!));
}
if (args.store === undefined && args.only !== "planted") {
  for await (const stream of tinyStreams()) {
    await measure(device, stream);
  }
}
if (args.store === undefined && args.only !== "tiny") {
  const heldOut = [plantedStream(1e6, 8192)];
  await measure(device, { name: "planted stream", batches: plantedBatches, heldOut });
}
