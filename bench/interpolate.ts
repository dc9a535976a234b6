// Interpolation between two SAEs, in one pass over the activations, beside the naive way: the stitched
// SAE evaluated from scratch at every step.
//   deno task bench:interpolate [--samples 50000] [--d 128] [--small 1024] [--large 2048] [--l0 32]
//     [--batch 4096] [--naive 20] [--order random] [--threshold 0.7] [--saes SMALL,LARGE]
// Without --saes (two folders) it makes the SAEs: the large one's first latents are near the small one's,
// some of the others too. Activations are made from the large SAE's directions, or with --saes at random.
import { parseArgs } from "@std/cli";
import {
  createRandom,
  evaluateSae,
  interpolate,
  type InterpolationOrder,
  type InterpolationPoint,
  latentGroups,
  loadSae,
  type Matrix,
  openGpu,
  type Sae,
  stitch,
} from "../mod.ts";

const names = [
  "samples",
  "d",
  "small",
  "large",
  "l0",
  "batch",
  "naive",
  "order",
  "threshold",
  "saes",
];
const args = parseArgs(Deno.args, { string: names });
const number = (name: string, otherwise: number) => Number(args[name] ?? otherwise);
const samples = number("samples", 50_000);
const l0 = number("l0", 32);
const random = createRandom(1);

/** About normal: variance 1, mean 0. */
const normal = () => {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.uniform();
  return sum;
};

/** A row that is near another one by the cosine, or anywhere, of norm 1. */
function unitRow(d: number, near?: Float32Array, cosine = 0): Float32Array {
  const noise = Float32Array.from({ length: d }, normal);
  const norm = Math.hypot(...noise);
  const rest = Math.sqrt(1 - cosine ** 2) / norm;
  const row = noise.map((value, c) => cosine * (near?.[c] ?? 0) + rest * value);
  const length = Math.hypot(...row);
  return row.map((value) => value / length);
}

function makeSae(rows: Float32Array[], d: number, threshold: number): Sae {
  const w = new Float32Array(rows.length * d);
  for (const [latent, row] of rows.entries()) w.set(row, latent * d);
  return {
    ...{ architecture: "jumprelu", dModel: d, dictSize: rows.length, wEnc: w, wDec: w },
    bEnc: new Float32Array(rows.length),
    bDec: Float32Array.from({ length: d }, () => 0.1 * normal()),
    threshold: new Float32Array(rows.length).fill(threshold),
    ...{ subtractDecoderBias: true, inputNormalization: "none", metadata: {} },
  };
}

/** Samples that add up `l0` of an SAE's directions, and noise. */
function* makeBatches(sae: Sae): Generator<Matrix> {
  const { dModel: d, wDec, dictSize } = sae;
  for (let left = samples; left > 0; left -= number("batch", 4096)) {
    const rows = Math.min(left, number("batch", 4096));
    const data = Float32Array.from({ length: rows * d }, () => 0.1 * normal());
    for (let row = 0; row < rows; row++) {
      for (let part = 0; part < l0; part++) {
        // Frequencies that fall with the latent's number, as they do in trained SAEs.
        const latent = Math.floor(dictSize * random.uniform() ** 2) * d;
        const strength = 0.5 + random.uniform();
        for (let c = 0; c < d; c++) data[row * d + c] += strength * wDec[latent + c];
      }
    }
    yield { data, rows, cols: d };
  }
}

/** The threshold at which `l0` latents are active in a sample, by bisection. */
async function chooseThreshold(sae: Sae, batch: Matrix): Promise<void> {
  let [low, high] = [0, 10];
  for (let turn = 0; turn < 12; turn++) {
    const middle = (low + high) / 2;
    sae.threshold!.fill(middle);
    if ((await evaluateSae(gpu, sae, [batch])).l0 > l0) low = middle;
    else high = middle;
  }
}

async function makePair(): Promise<[Sae, Sae]> {
  const d = number("d", 128);
  const sizes = [number("small", 1024), number("large", 2048)];
  const rows = Array.from({ length: sizes[0] }, () => unitRow(d));
  const others = Array.from(
    { length: sizes[1] },
    (_, latent) =>
      latent < sizes[0]
        ? unitRow(d, rows[latent], 0.7 + 0.3 * random.uniform())
        : latent % 4 === 0
        ? unitRow(d, rows[random.below(sizes[0])], 0.85)
        : unitRow(d),
  );
  const pair: [Sae, Sae] = [makeSae(rows, d, 0), makeSae(others, d, 0)];
  const [batch] = makeBatches(pair[1]);
  for (const sae of pair) await chooseThreshold(sae, batch);
  return pair;
}

const timed = async <T>(work: () => Promise<T>): Promise<[result: T, seconds: number]> => {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
};

using gpu = await openGpu();
const [small, large] = args.saes
  ? await Promise.all(String(args.saes).split(",").map((folder) => loadSae(folder)))
  : await makePair();
const batches = [...makeBatches(large)];
const order = (args.order ?? "random") as InterpolationOrder;
const threshold = number("threshold", 0.7);
const groups = (await latentGroups(gpu, small, large, threshold)).groups;
// Kernels are compiled before anything is timed.
await interpolate(gpu, small, large, batches.slice(0, 1), { groups, order });
const [plain, encoding] = await timed(async () => [
  await evaluateSae(gpu, small, batches),
  await evaluateSae(gpu, large, batches),
]);
const [points, fast] = await timed(() =>
  interpolate(gpu, small, large, batches, { groups, order })
);

const wanted = Math.min(number("naive", 20), points.length - 1);
const chosen = Array.from(
  { length: wanted },
  (_, at) => points[Math.round((at + 1) * (points.length - 1) / wanted)].step,
);
const [left, right] = [new Set(Array(small.dictSize).keys()), new Set<number>()];
let naive = 0;
let furthest = 0;
for (const { step, removed, inserted, mse } of points as InterpolationPoint[]) {
  for (const latent of removed) left.delete(latent);
  for (const latent of inserted) right.add(latent);
  if (!chosen.includes(step)) continue;
  const stitched = stitch(small, [...left], large, [...right]);
  const [evaluation, seconds] = await timed(() => evaluateSae(gpu, stitched, batches));
  naive += seconds / wanted;
  furthest = Math.max(furthest, Math.abs(mse / evaluation.mse - 1));
}
const ends = [points[0], points.at(-1)!]
  .map(({ mse }, at) => Math.abs(mse / plain[at].mse - 1).toExponential(1));
const swaps = points.filter(({ phase }) => phase === "swap").length;
const seconds = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} s`;
console.log(
  `${gpu.name}: ${small.dictSize} → ${large.dictSize} latents, d ${small.dModel}, ${samples} samples, ` +
    `L0 ${plain.map((each) => each.l0.toFixed(1)).join(" and ")}, order ${order}`,
);
console.log(`${points.length - 1} steps, ${swaps} of them swaps`);
console.log(`evaluating both SAEs        ${seconds(encoding)}`);
console.log(`interpolation, all steps    ${seconds(fast)}`);
console.log(`naive, one step             ${seconds(naive)}, the mean of ${wanted}`);
const all = naive * (points.length - 1);
console.log(
  `naive, all steps            ${seconds(all)} extrapolated, ratio ${(all / fast).toFixed(0)}`,
);
console.log(
  `MSE beside the naive way    ${furthest.toExponential(1)} apart at most (relative); ` +
    `beside plain evaluations of the ends ${ends.join(" and ")}`,
);
