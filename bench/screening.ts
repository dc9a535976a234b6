// How many candidates the 8-bit screening leaves for each entry that is kept, from the first step to the last,
// and what is gained by balancing the columns, or by computing the coordinates of most energy exactly:
//   deno task bench:screening [--steps 400] [--rows 512]
// All pairs are computed in float64: `missed` counts entries that the bound would have lost.
import { parseArgs } from "@std/cli";
import { type Matrix, openDevice, type Sae, trainSae } from "../mod.ts";
import { plantedStream } from "./planted_stream.ts";
import { tinyActivations } from "./tiny_activations.ts";

const text = parseArgs(Deno.args, { string: ["steps", "rows"] });
const steps = Number(text.steps ?? 400);
const rows = Number(text.rows ?? 512);
const [batchSize, m, k] = [512, 1024, 16];

const { train } = await tinyActivations(batchSize, batchSize * Math.min(steps, 400), batchSize);
const streams: [string, (step: number) => Matrix][] = [
  ["tiny-gpt2, blocks.2.hook_resid_pre", (step) => train[step % train.length]],
  ["planted like Gemma 3", (step) => plantedStream(step % 50, batchSize)],
];
using device = await openDevice({ device: "cpu" });
console.log(`m ${m}, k ${k}, batches of ${batchSize}; ${rows} of their rows are looked at`);
console.log("candidates per kept entry, at the exact cut and at 0.95 of it; entries missed");
for (const [name, batchAt] of streams) {
  console.log(`\n${name}`);
  console.log(
    ["step", "rows", "balanced", "balanced, at 0.95", "and 8 coordinates exact", "missed"]
      .map((title) => title.padStart(24)).join(""),
  );
  for (const taken of [1, 10, 50, steps]) {
    const batches = Array.from({ length: taken }, (_, step) => batchAt(step));
    const options = { architecture: "batchtopk", dictSize: m, k, decaySteps: 0 } as const;
    const { sae } = await trainSae(device, batches, options);
    const next = batchAt(taken);
    const x = readAs(sae, { data: next.data.subarray(0, rows * next.cols), rows, cols: next.cols });
    const ways = [
      countCandidates(sae, x, { balanced: false, exact: 0, share: 1 }),
      countCandidates(sae, x, { balanced: true, exact: 0, share: 1 }),
      countCandidates(sae, x, { balanced: true, exact: 0, share: 0.95 }),
      countCandidates(sae, x, { balanced: true, exact: 8, share: 1 }),
    ];
    const shown = [
      ...ways.map(({ ratio }) => ratio.toFixed(2)),
      ways.map((w) => w.missed).join(" "),
    ];
    console.log([String(taken), ...shown].map((cell) => cell.padStart(24)).join(""));
  }
}

/** The input of an SAE's encoder: samples scaled, minus the decoder bias. */
function readAs(sae: Sae, { data, rows, cols }: Matrix): Matrix {
  const scale = sae.inputNormalization === "expected_average_only_in" ? sae.inputScale ?? 1 : 1;
  return { data: data.map((value, at) => value * scale - sae.bDec[at % cols]), rows, cols };
}

function countCandidates(
  { wEnc, bEnc, dictSize }: Sae,
  { data, rows, cols: d }: Matrix,
  { balanced, exact, share }: { balanced: boolean; exact: number; share: number },
): { ratio: number; missed: number } {
  const peak = (values: Float32Array, c: number) => {
    let most = 0;
    for (let at = c; at < values.length; at += d) most = Math.max(most, Math.abs(values[at]));
    return most;
  };
  const scale = Float64Array.from({ length: d }, (_, c) => {
    const power = Math.round(Math.log2(peak(data, c) / peak(wEnc, c)) / 2);
    return balanced && Math.abs(power) < 60 ? 2 ** power : 1;
  });
  // The coordinates with the most energy in the samples.
  const energy = Float64Array.from({ length: d }, (_, c) => {
    let sum = 0;
    for (let at = c; at < data.length; at += d) sum += data[at] * data[at];
    return sum;
  });
  const loud = new Set([...energy.keys()].sort((a, b) => energy[b] - energy[a]).slice(0, exact));
  const x = round(data, rows, (value, c) => loud.has(c) ? 0 : value / scale[c]);
  const w = round(wEnc, dictSize, (value, c) => loud.has(c) ? 0 : value * scale[c]);
  const z = new Float64Array(rows * dictSize);
  const above = new Float64Array(z.length);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < dictSize; i++) {
      let [whole, rounded] = [0, 0];
      for (let c = 0; c < d; c++) {
        const product = data[r * d + c] * wEnc[i * d + c];
        whole += product;
        rounded += loud.has(c) ? product : x.rounded[r * d + c] * w.rounded[i * d + c];
      }
      z[r * dictSize + i] = whole + bEnc[i];
      const bound = x.error[r] * w.norm[i] + (x.norm[r] + x.error[r]) * w.error[i];
      above[r * dictSize + i] = rounded + bEnc[i] + bound;
    }
  }
  const wanted = rows * k;
  const cut = share * z.slice().sort()[z.length - wanted];
  let [candidates, missed] = [0, 0];
  for (let at = 0; at < z.length; at++) {
    if (above[at] >= cut) candidates++;
    else if (z[at] >= cut) missed++;
  }
  return { ratio: candidates / wanted, missed };

  function round(
    values: Float32Array,
    count: number,
    numberAt: (value: number, c: number) => number,
  ) {
    const rounded = new Float64Array(values.length);
    const [norm, error] = [new Float64Array(count), new Float64Array(count)];
    for (let row = 0; row < count; row++) {
      const own = Float64Array.from({ length: d }, (_, c) => numberAt(values[row * d + c], c));
      const step = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127 || 1;
      own.forEach((value, c) => {
        const near = Math.round(value / step) * step;
        rounded[row * d + c] = near;
        norm[row] += value * value;
        error[row] += (value - near) ** 2;
      });
      norm[row] = Math.sqrt(norm[row]);
      error[row] = Math.sqrt(error[row]);
    }
    return { rounded, norm, error };
  }
}
