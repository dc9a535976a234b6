// How far the weights are from those of float64 autograd (PyTorch) after some steps from a common
// start on common batches, for the four architectures and what can be changed about their training:
//   deno task bench:agreement [--steps 40] [--only WORD: runs whose name has it]
import { parseArgs } from "@std/cli";
import { createRandom, initializeSae, openDevice, type TrainOptions, trainSae } from "../mod.ts";
import { runPeer, writeFloats } from "./peer.ts";

const { steps: asked = "40", only = "" } = parseArgs(Deno.args, { string: ["steps", "only"] });
const steps = Number(asked);
const [n, d, m, k, lr] = [512, 48, 384, 6, 1e-3];
/** Largest relative deviation of the weights that is accepted after 40 steps. */
const BOUND = 1e-3;

// Sparse sums of 96 directions, a mean and noise: some latents die, most do not.
const random = createRandom(7);
const noise = () => random.uniform() + random.uniform() + random.uniform() - 1.5;
const directions = Float32Array.from({ length: 96 * d }, noise);
const batches = Array.from({ length: steps }, () => {
  const data = Float32Array.from({ length: n * d }, () => 0.3 + 0.1 * noise());
  for (let row = 0; row < n; row++) {
    for (let active = 0; active < 4; active++) {
      const from = random.below(96) * d;
      const strength = random.uniform();
      for (let c = 0; c < d; c++) data[row * d + c] += strength * directions[from + c];
    }
  }
  return { rows: n, cols: d, data };
});
const start = initializeSae({ architecture: "batchtopk", dModel: d, dictSize: m, k, random });
const batchFile = await Deno.makeTempFile();
const file = await Deno.open(batchFile, { write: true });
for (const { data } of batches) await writeFloats(file, data);
file.close();

const plain = { auxCoefficient: 0 };
const batchtopk = { architecture: "batchtopk", ...plain } as const;
const topk = { architecture: "topk", ...plain } as const;
const relu = { architecture: "relu", sparsityCoefficient: 2e-3 } as const;
const jumprelu = {
  architecture: "jumprelu",
  sparsityCoefficient: 1e-3,
  bandwidth: 0.05,
  initialThreshold: 0.05,
  subtractDecoderBias: true,
} as const;
const fewCandidates = { auxCoefficient: 1 / 4, auxK: 8, deadAfter: 2 };
const clipped = { gradientClip: 0.02 };
const rising = { sparsityWarmupSteps: 30 };
const runs: [name: string, options: TrainOptions][] = [
  ["batchtopk", batchtopk],
  ["batchtopk, auxiliary loss", { ...batchtopk, auxCoefficient: 1 / 32 }],
  ["batchtopk, auxiliary loss, fewer candidates", { ...batchtopk, ...fewCandidates }],
  ["topk", topk],
  ["topk, auxiliary loss, fewer candidates", { ...topk, ...fewCandidates }],
  ["relu", relu],
  ["jumprelu", jumprelu],
  ["batchtopk, clipped", { ...batchtopk, ...fewCandidates, ...clipped }],
  ["relu, λ rises", { ...relu, ...rising }],
  ["jumprelu, λ rises", { ...jumprelu, ...rising }],
  ["relu, λ rises, clipped", { ...relu, ...rising, ...clipped }],
  ["jumprelu, λ rises, clipped", { ...jumprelu, ...rising, ...clipped }],
];
for (const options of [batchtopk, topk, relu, jumprelu]) {
  for (
    const inputNormalization of [
      "layer_norm",
      ...options === batchtopk
        ? ["constant_norm_rescale", "expected_average_only_in"] as const
        : [],
    ] as const
  ) {
    const name = `${options.architecture}, ${inputNormalization}`;
    runs.push([name, { ...options, inputNormalization }]);
  }
}

using device = await openDevice();
let furthest = 0;
for (const [name, options] of runs.filter(([name]) => name.includes(only))) {
  const { k: _, ...weights } = start;
  const ragged = options.architecture === "relu" || options.architecture === "jumprelu";
  const initial = { ...weights, architecture: options.architecture, ...(ragged ? {} : { k }) };
  const { sae, history } = await trainSae(device, batches, {
    initial,
    learningRate: lr,
    ...options,
  });
  const peer = await runPeer(initial, batchFile, {
    ...{ n, steps, device: "cpu", dtype: "float64" },
    ...{ ...options, learningRate: lr },
  });
  if (!peer) break;
  const names = ["wEnc", "bEnc", "wDec", "bDec"] as const;
  const compared = options.architecture === "jumprelu" ? [...names, "threshold"] as const : names;
  const distances = compared.map((key) => relativeDistance(sae[key]!, peer.sae[key]!));
  furthest = Math.max(furthest, ...distances);
  const words = compared.map((key, i) => `${key} ${distances[i].toExponential(1)}`);
  const clips = history.filter(({ gradientNorm = 0 }) =>
    gradientNorm > (options.gradientClip ?? 0)
  );
  const notes = [
    `L0 ${history[0].l0.toFixed(1)} → ${history.at(-1)!.l0.toFixed(1)}`,
    `dead up to ${Math.max(...history.map(({ deadLatents }) => deadLatents))}`,
    ...options.gradientClip ? [`clipped in ${clips.length} steps`] : [],
  ];
  console.log(`${name}: ${words.join(", ")} (${notes.join(", ")})`);
}
await Deno.remove(batchFile);
if (furthest > 0) {
  console.log(`furthest: ${furthest.toExponential(1)}, wanted below ${BOUND} after 40 steps`);
}
if (steps <= 40 && furthest > BOUND) Deno.exit(1);

function relativeDistance(actual: Float32Array, wanted: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (let at = 0; at < wanted.length; at++) {
    difference += (actual[at] - wanted[at]) ** 2;
    size += wanted[at] ** 2;
  }
  return Math.sqrt(difference / size);
}
