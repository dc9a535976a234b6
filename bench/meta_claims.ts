// Verdicts on the claims of the paper's section 5, on decoder rows for which they may and must not hold:
//   deno task bench:meta-claims [--only relu] [--steps 2000] [--meta-steps 800] [--m 512] [--lr 5e-3]
// SAEs of the embedded model with m latents, compared with some of m/16 and m/4. No claim may hold in (d)
// and (e), where the decoder rows are replaced by random rows or by rows of the SAEs' covariance, or the
// dictionaries that they are compared with are random. Such rows have no training record, so that no
// verdict is withheld because training had not converged.
import { parseArgs } from "@std/cli";
import { type Claim, metaClaims } from "../lib/claims/mod.ts";
import { covarianceMatchedRows, randomUnitRows, studyMeta } from "../lib/meta/mod.ts";
import { recordedLossChange } from "../lib/training/recorded_training.ts";
import {
  evaluateSae,
  type Matrix,
  openDevice,
  type Sae,
  type TrainOptions,
  trainSaes,
} from "../mod.ts";
import { tinyActivations } from "./tiny_activations.ts";

const text = parseArgs(Deno.args, { string: ["only", "steps", "meta-steps", "m", "lr"] });
const steps = Number(text.steps ?? 2000);
const metaSteps = Number(text["meta-steps"] ?? 800);
const m = Number(text.m ?? 512);
const learningRate = Number(text.lr ?? 5e-3);
const BATCH = 256;
const META_BATCH = 128;
const META_SEED = 9;

using device = await openDevice();
const { train, heldOut } = await tinyActivations(
  BATCH,
  // Training beyond these batches starts again from the first.
  Math.min(steps, 400) * BATCH,
  20 * BATCH,
);
const families: Record<string, TrainOptions> = {
  BatchTopK: { architecture: "batchtopk", k: 16, deadAfter: 20 },
  ReLU: {
    architecture: "relu",
    sparsityCoefficient: 1.5e-3,
    lossNormalization: "input_deviation",
  },
};
const columns: { name: string; claims: Claim[] }[] = [];
for (const [name, own] of Object.entries(families)) {
  if (text.only && text.only !== own.architecture) continue;
  const [sae, ...smaller] = await trainFamily(own, [m, m / 16, m / 4]);
  const random = smaller.map((each, i) =>
    put(each, randomUnitRows(each.dictSize, each.dModel, { seed: 20 + i }))
  );
  await study(name, sae, smaller);
  await study(`(d) ${name} and random dictionaries`, sae, random);
  await study(
    `(e) isotropic rows and ${name}`,
    put(sae, randomUnitRows(m, sae.dModel, { seed: 31 })),
    smaller,
  );
  await study(
    `(e) rows of ${name}'s covariance`,
    put(sae, covarianceMatchedRows(sae, { rows: m, seed: 32 })),
    smaller,
  );
}
console.log(writeTable());

async function study(name: string, sae: Sae, beside: Sae[]): Promise<void> {
  const began = performance.now();
  const claims = metaClaims(
    await studyMeta(device, sae, {
      architecture: "batchtopk",
      ...{ k: 4, dictSize: Math.round(m * 3 / 64), learningRate },
      ...{ batchSize: META_BATCH, steps: metaSteps, decaySteps: metaSteps >> 1, seed: META_SEED },
      compare: beside.map((other) => ({ name: `m ${other.dictSize}`, sae: other })),
    }),
  );
  columns.push({ name, claims });
  console.error(`\n${name} (${((performance.now() - began) / 1000).toFixed(0)} s)`);
  for (const { claim, found, holds, why } of claims) {
    console.error(
      `  ${verdict(holds)}  ${claim}\n    ${found}${why ? `\n    Not decided: ${why}.` : ""}`,
    );
  }
}

/** SAEs of several sizes, each with its own seed. */
async function trainFamily(own: TrainOptions, sizes: number[]): Promise<Sae[]> {
  const trained = await trainSaes(
    device,
    again(train, steps),
    sizes.map((dictSize, seed) => ({
      ...own,
      ...{ dictSize, seed, steps, learningRate: 1.5e-3, decaySteps: steps >> 2 },
      metadata: { model: "tiny-gpt2", hook: "blocks.2.hook_resid_pre" },
    })),
  );
  for (const { sae } of trained) {
    const { nmse, l0 } = await evaluateSae(device, sae, heldOut);
    console.error(
      `${own.architecture} m ${sae.dictSize}: NMSE ${nmse.toFixed(4)}, L0 ${l0.toFixed(1)}, loss ` +
        `changed by ${recordedLossChange(sae)?.toFixed(4)} at the end`,
    );
  }
  return trained.map(({ sae }) => sae);
}

function* again(batches: Matrix[], count: number): Generator<Matrix> {
  for (let i = 0; i < count; i++) yield batches[i % batches.length];
}

/** An SAE with its decoder rows replaced, and without its training record. */
function put(sae: Sae, { data }: Matrix): Sae {
  return { ...sae, wDec: data, metadata: {} };
}

/** A row per claim, a column per study: yes, no or a question mark. */
function writeTable(): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |\n`;
  const header = ["claim", ...columns.map(({ name }) => name)];
  return line(header) + line(header.map(() => "---")) +
    columns[0].claims.map(({ claim }, i) =>
      line([claim, ...columns.map(({ claims }) => verdict(claims[i].holds))])
    ).join("");
}

function verdict(holds: boolean | undefined): string {
  return holds === undefined ? "?" : holds ? "yes" : "no";
}
