// Interpolation between two SAEs, in one pass over the activations, compared with the naive way: evaluating
// the stitched SAE from scratch at every step.
//   deno task bench:interpolate [--samples 50000] [--d 128] [--small 1024] [--large 2048] [--l0 32]
//     [--batch 4096] [--naive 20] [--part 4096] [--order random] [--threshold 0.7] [--saes SMALL,LARGE]
// The naive way is timed at 20 steps on a part of the samples, and its time scaled to all steps and samples.
// Without --saes (two folders) the SAEs are synthetic: the large one's first latents are near the small
// one's, and so are some of the others. Activations are sums of the large SAE's directions, and noise.
import { parseArgs } from "@std/cli";
import { createRandom, evaluateSae, loadSae, type Matrix, openDevice, type Sae } from "../mod.ts";
import {
  interpolate,
  type InterpolationOrder,
  latentGroups,
  stitch,
} from "../lib/stitching/mod.ts";

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

/** Approximately standard normal. */
const normal = () => {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.uniform();
  return sum;
};

/** A random unit vector; with `near`, one at the given cosine to it. */
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

/** Samples that are sums of `l0` of an SAE's directions, and noise. */
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
    if ((await evaluateSae(device, sae, [batch])).l0 > l0) low = middle;
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

function takeRows(batches: Matrix[], wanted: number): Matrix[] {
  const taken: Matrix[] = [];
  for (const { data, cols, rows } of batches) {
    const count = Math.min(rows, wanted);
    if (count > 0) taken.push({ data: data.subarray(0, count * cols), rows: count, cols });
    wanted -= count;
  }
  return taken;
}

const timed = async <T>(work: () => Promise<T>): Promise<[result: T, seconds: number]> => {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
};

using device = await openDevice();
const [small, large] = args.saes
  ? await Promise.all(String(args.saes).split(",").map((folder) => loadSae(folder)))
  : await makePair();
const batches = [...makeBatches(large)];
const part = takeRows(batches, Math.min(samples, number("part", 4096)));
const order = (args.order ?? "random") as InterpolationOrder;
const { groups } = await latentGroups(device, small, large, number("threshold", 0.7));
// Compiles the kernels before the timing starts.
const points = await interpolate(device, small, large, part, { groups, order });
const steps = points.length - 1;
const swaps = points.filter(({ phase }) => phase === "swap").length;
const seconds = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} s`;
console.log(
  `${device.name}: ${small.dictSize} → ${large.dictSize} latents, d ${small.dModel}, ${samples} samples; ` +
    `${steps} steps in the order "${order}", ${swaps} of them swaps`,
);

const [plain, encoding] = await timed(async () => [
  await evaluateSae(device, small, batches),
  await evaluateSae(device, large, batches),
]);
const active = plain.map((each) => each.l0.toFixed(1)).join(" and ");
console.log(`evaluating the two SAEs     ${seconds(encoding)} (L0 ${active})`);
const [path, fast] = await timed(() =>
  interpolate(device, small, large, batches, { groups, order })
);
console.log(`interpolation, all steps    ${seconds(fast)}`);
const ends = [path[0], path.at(-1)!]
  .map(({ mse }, at) => Math.abs(mse / plain[at].mse - 1).toExponential(1));
console.log(`ends, against evaluating    relative difference of the MSE ${ends.join(" and ")}`);

const wanted = Math.min(number("naive", 20), steps);
const chosen = Array.from({ length: wanted }, (_, at) => Math.round((at + 1) * steps / wanted));
const [left, right] = [new Set(Array(small.dictSize).keys()), new Set<number>()];
const times: number[] = [];
let furthest = 0;
for (const { step, removed, inserted, mse } of points) {
  for (const latent of removed) left.delete(latent);
  for (const latent of inserted) right.add(latent);
  if (!chosen.includes(step)) continue;
  const stitched = stitch(small, large, { small: [...left], large: [...right] });
  const [evaluation, time] = await timed(() => evaluateSae(device, stitched, part));
  times.push(time);
  furthest = Math.max(furthest, Math.abs(mse / evaluation.mse - 1));
}
const rows = part.reduce((sum, batch) => sum + batch.rows, 0);
const naive = times.reduce((sum, time) => sum + time, 0) / wanted * samples / rows;
console.log(
  `naive, one step             ${seconds(naive)}, from the mean of ${wanted} on ${rows} samples`,
);
console.log(
  `naive, all steps            ${seconds(naive * steps)} extrapolated, ratio ${
    (naive * steps / fast).toFixed(0)
  }`,
);
console.log(
  `steps, against the naive    relative difference of the MSE at most ${furthest.toExponential(1)}`,
);
