// NMSE of the first latents of an SAE by themselves, BatchTopK and Matryoshka BatchTopK, on held-out
// activations of the embedded model:
//   deno task bench:nested [--steps 200] [--m 512] [--k 16] [--batch 1024]
import { parseArgs } from "@std/cli";
import { evaluateSae, openDevice, type Sae, trainSaes } from "../mod.ts";
import { tinyActivations } from "./tiny_activations.ts";

const text = parseArgs(Deno.args, { string: ["steps", "m", "k", "batch"] });
const steps = Number(text.steps ?? 200);
const dictSize = Number(text.m ?? 512);
const k = Number(text.k ?? 16);
const n = Number(text.batch ?? 1024);

/** The SAE of the first latents, with the whole SAE's inference threshold. */
function firstLatents(sae: Sae, count: number): Sae {
  const { dModel: d, wEnc, bEnc, wDec, threshold } = sae;
  return {
    ...sae,
    ...{ dictSize: count, k: undefined, bEnc: bEnc.slice(0, count) },
    ...{ wEnc: wEnc.slice(0, count * d), wDec: wDec.slice(0, count * d) },
    threshold: threshold!.slice(0, count),
  };
}

using device = await openDevice();
const { train, heldOut } = await tinyActivations(n, steps * n, 16_384);
const shared = { dictSize, k, steps };
const trained = await trainSaes(device, train, [
  { architecture: "batchtopk", ...shared },
  { architecture: "matryoshka_batchtopk", ...shared },
]);
const prefixes = [16, 8, 4, 2, 1].map((part) => Math.floor(dictSize / part));
console.log(`m ${dictSize}, k ${k}, ${train.length} steps of ${n}; NMSE of the first latents\n`);
console.log(`| | ${prefixes.join(" | ")} | L0 | never active |`);
console.log(`| --- |${prefixes.map(() => " --- |").join("")} --- | --- |`);
for (const { sae } of trained) {
  const nmse = [];
  for (const count of prefixes) {
    nmse.push((await evaluateSae(device, firstLatents(sae, count), heldOut)).nmse.toFixed(3));
  }
  const { l0, deadLatents } = await evaluateSae(device, sae, heldOut);
  console.log(`| ${sae.architecture} | ${nmse.join(" | ")} | ${l0.toFixed(1)} | ${deadLatents} |`);
}
