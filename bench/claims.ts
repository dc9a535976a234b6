// Verdicts on the claims of the paper's section 4, on pairs of SAEs for which they should and should not hold:
//   deno task bench:claims [--steps 2000] [--samples 20000] [--small 128] [--large 256] [--only TEXT]
//     [--out FOLDER]
// SAEs of the embedded model: (a) ReLU, (b) BatchTopK, (c) two of equal size and different seeds, (d)
// with random unit rows as decoder. No claim may hold in (c) and (d). --only runs the pairs whose names
// contain TEXT, --out writes the table and the figure of the shrinkage control.
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { type Claim, stitchingClaims } from "../lib/claims/mod.ts";
import {
  createRandom,
  initializeSae,
  type Matrix,
  openDevice,
  type Sae,
  type TrainOptions,
  trainSae,
} from "../mod.ts";
import { foldInputScale } from "../lib/sae/fold_input_scale.ts";
import { type StudiedPair, studyPair } from "../lib/stitching/mod.ts";
import { tinyActivations } from "./tiny_activations.ts";
import { shrinkagePlot } from "../lib/report/stitching_plots.ts";

const text = parseArgs(Deno.args, {
  string: ["steps", "samples", "small", "large", "only", "out"],
});
const steps = Number(text.steps ?? 2000);
const samples = Number(text.samples ?? 20_000);
const [small, large] = [Number(text.small ?? 128), Number(text.large ?? 256)];
const BATCH = 512;

using device = await openDevice();
const { train, heldOut } = await tinyActivations(
  BATCH,
  // Training beyond these batches starts again from the first.
  Math.min(steps, 400) * BATCH,
  Math.max(samples, BATCH),
);
const families: Record<string, TrainOptions> = {
  relu: {
    architecture: "relu",
    sparsityCoefficient: 1.5e-3,
    lossNormalization: "input_deviation",
  },
  batchtopk: { architecture: "batchtopk", k: 16, deadAfter: 20 },
  frozen: { architecture: "batchtopk", k: 16, deadAfter: 20, freezeDecoder: "directions" },
};
// Each SAE is trained once, when a pair first needs it.
const trained = new Map<string, Promise<Sae>>();

const pairs: [name: string, small: () => Promise<Sae>, large: () => Promise<Sae>][] = [
  ["(a) ReLU", sae("relu", small, 1), sae("relu", large, 2)],
  ["(b) BatchTopK", sae("batchtopk", small, 1), sae("batchtopk", large, 2)],
  ["(c) ReLU, equal size", sae("relu", large, 2), sae("relu", large, 3)],
  ["(c) BatchTopK, equal size", sae("batchtopk", large, 2), sae("batchtopk", large, 3)],
  ["(d) ReLU, large random", sae("relu", small, 1), randomRows(sae("relu", large, 2), 11)],
  [
    "(d) BatchTopK, small random",
    randomRows(sae("batchtopk", small, 1), 12),
    sae("batchtopk", large, 2),
  ],
  [
    "(d) BatchTopK, both random",
    randomRows(sae("batchtopk", small, 1), 13),
    randomRows(sae("batchtopk", large, 2), 14),
  ],
  [
    "(d) BatchTopK, trained on frozen random rows",
    sae("frozen", small, 4),
    sae("frozen", large, 5),
  ],
  ["(d) random directions", untrained("batchtopk", small, 15), untrained("batchtopk", large, 16)],
];
const studied: { name: string; pair: StudiedPair; claims: Claim[] }[] = [];
for (const [name, smaller, larger] of pairs) {
  if (!name.includes(text.only ?? "")) continue;
  const [one, two] = [await smaller(), await larger()];
  const study = await studyPair(device, one, two, () => heldOut);
  const claims = stitchingClaims(study);
  const pair = { small: String(one.dictSize), large: String(two.dictSize), study };
  studied.push({ name, pair, claims });
  for (const { claim, found, why } of claims) {
    console.error(`${name}: ${claim}\n    ${found}${why ? `\n    Not decided: ${why}` : ""}`);
  }
}
const table = writeTable();
console.log(table);
if (text.out) {
  await Deno.mkdir(text.out, { recursive: true });
  await Deno.writeTextFile(join(text.out, "claims.md"), table);
  // ReLU of two sizes, and of one.
  const shrunk = ["(a) ReLU", "(c) ReLU, equal size"];
  const drawn = studied.filter(({ name }) => shrunk.includes(name)).map(({ pair }) => pair);
  const { svg } = await shrinkagePlot(drawn);
  const shown = svg.replace("<svg ", '<svg color="#1a202c" style="background: #fff" ');
  await Deno.writeTextFile(join(text.out, "shrinkage.svg"), shown);
}

function sae(family: string, dictSize: number, seed: number): () => Promise<Sae> {
  const key = `${family} m ${dictSize} seed ${seed}`;
  return () => {
    const own = trained.get(key) ?? trainOne(key, families[family], dictSize, seed);
    trained.set(key, own);
    return own;
  };
}

async function trainOne(
  name: string,
  own: TrainOptions,
  dictSize: number,
  seed: number,
): Promise<Sae> {
  const { sae } = await trainSae(device, again(train, steps), {
    ...own,
    dictSize,
    seed,
    steps,
    learningRate: 1.5e-3,
    decaySteps: steps >> 2,
    metadata: { model: "tiny-gpt2", hook: "blocks.2.hook_resid_pre" },
  });
  const { lossChange } = sae.metadata as { lossChange?: number };
  console.error(`${name}: loss changed by ${lossChange?.toFixed(4) ?? "?"} at the end`);
  return foldInputScale(sae);
}

function* again(batches: Matrix[], count: number): Generator<Matrix> {
  for (let i = 0; i < count; i++) yield batches[i % batches.length];
}

/** The same SAE with random unit vectors as decoder rows. */
function randomRows(trained: () => Promise<Sae>, seed: number): () => Promise<Sae> {
  return async () => {
    const sae = await trained();
    return { ...sae, wDec: (await untrained("relu", sae.dictSize, seed)()).wDec };
  };
}

/** Random unit vectors as encoder and decoder: better than the mean, although nothing was learned. */
function untrained(family: string, dictSize: number, seed: number): () => Promise<Sae> {
  return async () => {
    // Bias and width of one that was trained.
    const { dModel, bDec } = await sae(family, small, 1)();
    const random = createRandom(seed);
    const fresh = initializeSae({ architecture: "topk", dModel, dictSize, k: 8, random });
    return { ...fresh, wEnc: fresh.wDec, bDec };
  };
}

/** A row per claim, a column per pair: yes, no or a question mark. */
function writeTable(): string {
  const verdict = ({ holds }: Claim) => holds === undefined ? "?" : holds ? "yes" : "no";
  const rows = studied[0].claims.map(({ claim }, i) => [
    claim,
    ...studied.map(({ claims }) => verdict(claims[i])),
  ]);
  const line = (cells: string[]) => `| ${cells.join(" | ")} |\n`;
  const header = ["claim", ...studied.map(({ name }) => name)];
  return line(header) + line(header.map(() => "---")) + rows.map(line).join("");
}
