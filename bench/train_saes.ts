// Four SAEs trained on one stream of activations, compared with four separate runs, harvesting included, and
// whether their weights are equal bit for bit:
//   deno task bench:train-saes [--steps 50] [--n 2048]
import { parseArgs } from "@std/cli";
import { fromFileUrl } from "@std/path";
import {
  openDevice,
  openLanguageModel,
  type Sae,
  streamActivations,
  type TrainOptions,
  trainSae,
  trainSaes,
} from "../mod.ts";
import { demoCorpus } from "../examples/demo_corpus.ts";

const args = parseArgs(Deno.args, { string: ["steps", "n"] });
const [steps, n] = [Number(args.steps ?? 50), Number(args.n ?? 2048)];
const shared = { steps, learningRate: 1e-3 };
const options: TrainOptions[] = [
  { architecture: "batchtopk", dictSize: 512, k: 16, ...shared },
  { architecture: "batchtopk", dictSize: 1024, k: 16, ...shared },
  { architecture: "batchtopk", dictSize: 1024, k: 8, seed: 1, ...shared },
  { architecture: "topk", dictSize: 1024, k: 16, ...shared },
];

const { train } = await demoCorpus();
const hook = "blocks.2.hook_resid_pre";
const folder = fromFileUrl(import.meta.resolve("../examples/tiny-gpt2"));
using device = await openDevice();
await using model = await openLanguageModel(folder, { hook });
/** The same batches, harvested again from the start. */
const stream = () => streamActivations(model, train, { batchSize: n, bufferRows: 8 * n });

async function timed<T>(work: () => Promise<T>): Promise<[result: T, seconds: number]> {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
}

// Compiles the kernels and reads the files before the timing starts.
await trainSaes(device, stream(), options.map((each) => ({ ...each, steps: 1 })));
const [, harvest] = await timed(async () => {
  let batches = 0;
  for await (const _ of stream()) if (++batches === steps) break;
});
const [together, one] = await timed(() => trainSaes(device, stream(), options));
const alone: { sae: Sae }[] = [];
let four = 0;
for (const each of options) {
  const [trained, seconds] = await timed(() => trainSae(device, stream(), each));
  alone.push(trained);
  four += seconds;
}
const equal = together.every(({ sae }, i) =>
  (["wEnc", "bEnc", "wDec", "bDec", "threshold"] as const).every((name) =>
    sae[name]?.length === alone[i].sae[name]?.length &&
    (sae[name]?.every((value, at) => Object.is(value, alone[i].sae[name]![at])) ?? true)
  )
);
console.log(`${device.name}; ${steps} steps of ${n} activations, d = ${model.dModel}`);
console.log(`harvesting alone ${harvest.toFixed(1)} s`);
console.log(
  `four SAEs on one stream ${one.toFixed(1)} s, four runs ${four.toFixed(1)} s: ` +
    `${(four / one).toFixed(2)} times as long; weights ${equal ? "equal bit for bit" : "DIFFER"}`,
);
if (!equal) Deno.exit(1);
