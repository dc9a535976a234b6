// BatchTopK SAEs trained here, by SAELens and by dictionary_learning, on the same batches of a store, all
// evaluated here on held-out text: NMSE, L0, latents never active, cross-entropy recovered, seconds.
//   deno task bench:trainers STORE HELD-OUT [--dict-size 2560] [--k 32] [--steps 500] [--batch-size 4096]
//     [--rows 64] [--seed 0] [--only "NAME; NAME"]
// PYTHON names a Python with sae-lens, and dictionary-learning (`pip install --no-deps dictionary-learning einops`).
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import {
  evaluateSaesOnTexts,
  loadSae,
  openActivationStore,
  openDevice,
  openLanguageModel,
  readTexts,
  type Sae,
  trainSae,
} from "../mod.ts";
import { findPython } from "./peer.ts";

const given = parseArgs(Deno.args, {
  string: ["dict-size", "k", "steps", "batch-size", "rows", "seed", "only"],
});
const [folder, heldOut] = given._.map(String);
if (heldOut === undefined) throw new Error("expected STORE HELD-OUT");
const m = Number(given["dict-size"] ?? 2560);
const k = Number(given.k ?? 32);
const steps = Number(given.steps ?? 500);
const n = Number(given["batch-size"] ?? 4096);
const seed = Number(given.seed ?? 0);

const store = await openActivationStore(folder);
const batches = () => store.batches({ batchSize: n, seed, epochs: Infinity });
using device = await openDevice();
const python = await findPython();

/** Trains ours, with its defaults and the given options. */
async function ours(options: object): Promise<Sae> {
  const { sae } = await trainSae(device, batches(), {
    ...{ architecture: "batchtopk", dictSize: m, k, steps, seed, ...options },
    metadata: { normLimit: store.normLimit },
  });
  return sae;
}

/** Trains a peer's. */
async function peer(trainer: string, options: object): Promise<Sae> {
  const scratch = await Deno.makeTempDir();
  try {
    const child = new Deno.Command(python!, {
      args: [join(import.meta.dirname!, "peer_trainers.py")],
      env: { TQDM_DISABLE: "1", PYTHONDONTWRITEBYTECODE: "1" },
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = new Response(child.stderr).text();
    const writer = child.stdin.getWriter();
    const out = join(scratch, "sae");
    const job = { trainer, ...options, n, d: store.dModel, m, k, steps, seed, out };
    // A child that has failed prints why on its standard error.
    await writer.write(new TextEncoder().encode(JSON.stringify(job) + "\n")).catch(() => {});
    let step = 0;
    for await (const { data } of batches()) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      if (await writer.write(bytes.slice()).then(() => false, () => true)) break;
      if (++step === steps) break;
    }
    await writer.close().catch(() => {});
    if (!(await child.status).success) throw new Error(`${trainer} failed:\n${await said}`);
    return await loadSae(out);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

const ourRate = 1.2e-2 * Math.sqrt(512 / m) * Math.cbrt(400 / Math.max(steps, 400));
const all: Record<string, () => Promise<Sae>> = {
  "saewing": () => ours({}),
  "saewing, lr 1/2": () => ours({ learningRate: ourRate / 2 }),
  "saewing, lr 1/4": () => ours({ learningRate: ourRate / 4 }),
  "saewing, lr 3e-4": () => ours({ learningRate: 3e-4 }),
  "SAELens": () => peer("saelens", {}),
  "SAELens, scaled": () => peer("saelens", { scale: true }),
  "SAELens, scaled, lr 1e-3, decay": () =>
    peer("saelens", { scale: true, learningRate: 1e-3, decay: true }),
  "SAELens, scaled, lr 3e-3, decay": () =>
    peer("saelens", { scale: true, learningRate: 3e-3, decay: true }),
  "dictionary_learning": () => peer("dictionary_learning", {}),
  "dictionary_learning, lr 1e-3": () => peer("dictionary_learning", { learningRate: 1e-3 }),
};
const only = given.only?.split(";").map((name) => name.trim()) ?? Object.keys(all);

console.log(`${store.rows} activations of ${store.model} at ${store.hook}`);
console.log(`m ${m}, k ${k}, ${steps} steps of ${n}, seed ${seed}, on ${device.name}\n`);
const trained: [name: string, sae: Sae, seconds: number][] = [];
for (const name of only) {
  if (python === undefined && !name.startsWith("saewing")) continue;
  const start = performance.now();
  trained.push([name, await all[name](), (performance.now() - start) / 1000]);
  console.log(`${name}: ${trained.at(-1)![2].toFixed(0)} s`);
}

await using model = await openLanguageModel(store.model, { hook: store.hook });
const measured = await evaluateSaesOnTexts(
  device,
  model,
  trained.map(([, sae]) => sae),
  () => readTexts(heldOut),
  {
    contextLength: store.contextSize,
    maxRows: Number(given.rows ?? 64),
    normLimit: store.normLimit,
  },
);
console.log("\n| trainer | NMSE | L0 | never active | CE recovered (zero, mean) | s |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
measured.forEach(({ evaluation, crossEntropy }, i) => {
  const [name, , seconds] = trained[i];
  const recovered = [crossEntropy.recoveredFromZero, crossEntropy.recoveredFromMean];
  const cells = [
    ...[name, evaluation.nmse.toFixed(4), evaluation.l0.toFixed(1), evaluation.deadLatents],
    ...[recovered.map((share) => share.toFixed(4)).join(", "), seconds.toFixed(0)],
  ];
  console.log(`| ${cells.join(" | ")} |`);
});
