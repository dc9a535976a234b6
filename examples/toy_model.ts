// The toy model of composition (Fig. 2): samples are a colour plus a shape. An SAE with a latent for each
// colour and shape finds them; one with a latent for each pair composes them, since one active latent
// costs less than two; a meta-SAE decomposes the pairs' decoder rows again.
// Writes runs/toy/toy_model.svg and toy_model.html. Options: --colours 3 --shapes 3 --noise 0.02
// --seed 0 --seeds 1 --out runs/toy. Unequal frequencies: --colours 0.4,0.3,0.3.
import { parseArgs } from "@std/cli";
import {
  createRandom,
  type Device,
  initializeSae,
  type Matrix,
  openDevice,
  type Sae,
  type StepRecord,
  trainSaes,
} from "@saewing/saewing";
import { toyData, type ToyDataOptions, trainMetaSae } from "@saewing/saewing/meta";
import { toyFigure } from "./toy_figure.ts";

/** The same options for all SAEs: only the number of latents differs. */
const TRAINING = {
  architecture: "relu",
  sparsityCoefficient: 0.01,
  learningRate: 0.01,
  steps: 1000,
  decaySteps: 200,
} as const;

/** The result of one SAE: the largest cosine of each target with a decoder row. */
export interface ToyResult {
  colours: number;
  shapes: number;
  small: { sae: Sae; targets: Matrix; found: number[] };
  large: { sae: Sae; targets: Matrix; found: number[] };
  meta: { sae: Sae; targets: Matrix; found: number[]; explainedVariance: number };
}

/**
 * Runs the three stages. An SAE with exactly as many latents as targets often ends in a local minimum, with
 * one target that no latent represents. So several are trained from different seeds, and the one with the
 * lowest loss is taken, which needs no knowledge of the targets.
 */
export async function toyModel(
  device: Device,
  { starts = { small: 8, large: 3, meta: 8 }, seed = 0, ...options }: ToyDataOptions & {
    starts?: { small: number; large: number; meta: number };
  } = {},
): Promise<ToyResult> {
  const data = toyData({ ...options, seed });
  const { factors, pairs } = data;
  const batchSize = 2 * pairs.rows;
  const first: Matrix = data.batches(batchSize).next().value!;
  const begin = (dictSize: number, count: number, like: Matrix) =>
    Array.from({ length: count }, (_, start) => startingSae(dictSize, like, 1000 * seed + start));

  const initial = [
    ...begin(factors.rows, starts.small, first),
    ...begin(pairs.rows, starts.large, first),
  ];
  const trained = await trainSaes(
    device,
    data.batches(batchSize),
    initial.map((initial) => ({ ...TRAINING, initial })),
  );
  const small = best(trained.slice(0, starts.small)).sae;
  const large = best(trained.slice(starts.small)).sae;

  const rows = { data: large.wDec, rows: large.dictSize, cols: large.dModel };
  const metas = [];
  for (const initial of begin(factors.rows, starts.meta, rows)) {
    const { meta: sae, ...rest } = await trainMetaSae(device, large, {
      ...TRAINING,
      sparsityCoefficient: 0.005,
      initial,
    });
    metas.push({ sae, ...rest });
  }
  const { sae: meta, explainedVariance } = best(metas);
  return {
    colours: data.colours,
    shapes: data.shapes,
    small: { sae: small, targets: factors, found: largestCosines(factors, small) },
    large: { sae: large, targets: pairs, found: largestCosines(pairs, large) },
    meta: { sae: meta, targets: factors, found: largestCosines(factors, meta), explainedVariance },
  };
}

/** Whether every target was found: a cosine above 0.95 with some latent. */
export const isComplete = (found: number[]): boolean => found.every((cosine) => cosine > 0.95);

/** A small encoder norm lets latents align with the targets before the L1 penalty deactivates them. */
function startingSae(dictSize: number, samples: Matrix, seed: number): Sae {
  const random = createRandom(seed);
  const sae = initializeSae({ architecture: "relu", dModel: samples.cols, dictSize, random });
  return { ...sae, wEnc: sae.wEnc.map((weight) => 0.1 * weight), bDec: meanRow(samples) };
}

function best<T extends { history: StepRecord[] }>(runs: T[]): T {
  const loss = ({ history }: T) => history.slice(-50).reduce((sum, { loss }) => sum + loss, 0);
  return runs.reduce((least, run) => loss(run) < loss(least) ? run : least);
}

function meanRow({ data, rows, cols }: Matrix): Float32Array {
  const mean = new Float32Array(cols);
  data.forEach((value, at) => mean[at % cols] += value / rows);
  return mean;
}

function largestCosines(targets: Matrix, sae: Sae): number[] {
  return cosines(targets, sae).map((row) => Math.max(...row));
}

/** cosines[t][i] of target t and the decoder row of latent i. */
export function cosines({ data, rows, cols }: Matrix, { wDec, dictSize }: Sae): number[][] {
  return Array.from({ length: rows }, (_, t) =>
    Array.from({ length: dictSize }, (_, i) => {
      let [product, own, other] = [0, 0, 0];
      for (let c = 0; c < cols; c++) {
        product += data[t * cols + c] * wDec[i * cols + c];
        own += data[t * cols + c] ** 2;
        other += wDec[i * cols + c] ** 2;
      }
      return own * other > 0 ? product / Math.sqrt(own * other) : 0;
    }));
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["colours", "shapes", "noise", "seed", "seeds", "out"],
    default: { colours: "3", shapes: "3", noise: "0.02", seed: "0", seeds: "1", out: "runs/toy" },
  });
  const values = (given = "") => given.includes(",") ? given.split(",").map(Number) : +given;
  const { out = "" } = args;
  const options = {
    colours: values(args.colours),
    shapes: values(args.shapes),
    noise: Number(args.noise),
  };
  using device = await openDevice();
  const begun = performance.now();
  const complete = { small: 0, large: 0, meta: 0 };
  console.log("least cosine of   small SAE   large SAE    meta-SAE  (all found where above 0.95)");
  for (let i = 0; i < Number(args.seeds); i++) {
    const seed = Number(args.seed) + i;
    const result = await toyModel(device, { ...options, seed });
    const stages = ["small", "large", "meta"] as const;
    for (const stage of stages) if (isComplete(result[stage].found)) complete[stage]++;
    const least = stages.map((stage) => Math.min(...result[stage].found).toFixed(3).padStart(11));
    console.log(`seed ${String(seed).padEnd(10)} ${least.join(" ")}`);
    if (i > 0) continue;
    const { svg, page } = await toyFigure(result);
    await Deno.mkdir(out, { recursive: true });
    await Deno.writeTextFile(`${out}/toy_model.svg`, svg);
    await Deno.writeTextFile(`${out}/toy_model.html`, page);
  }
  const { small, large, meta } = complete;
  console.log(`of ${args.seeds}           ${[small, large, meta].join("           ")}`);
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${out}/toy_model.svg and .html, ${seconds.toFixed(0)} s`);
}
