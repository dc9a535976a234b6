// What this package says to the claims of section 4, on SAEs for which they should and should not hold:
//   deno task bench:claims [--steps 2000] [--samples 20000] [--small 128] [--large 256] [--out FOLDER]
// SAEs of the embedded model: (a) ReLU, (b) BatchTopK, (c) two of equal size and different seeds, (d)
// with random unit rows as decoder. Nothing may hold in (c) and (d). --out keeps the table, and the
// figure of the shrinkage control.
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import {
  type Claim,
  createRandom,
  foldInputScale,
  initializeSae,
  type Matrix,
  openGpu,
  openLanguageModel,
  type Sae,
  stitchingClaims,
  streamActivations,
  studyPair,
  type TrainOptions,
  trainSae,
} from "../mod.ts";
import { demoCorpus } from "../examples/demo_corpus.ts";
import { shrinkagePlot, type StudiedPair } from "../lib/report/stitching_plots.ts";

const text = parseArgs(Deno.args, { string: ["steps", "samples", "small", "large", "out"] });
const steps = Number(text.steps ?? 2000);
const samples = Number(text.samples ?? 20_000);
const [small, large] = [Number(text.small ?? 128), Number(text.large ?? 256)];
const BATCH = 512;

using gpu = await openGpu();
const { train, heldOut } = await readActivations();
const families: Record<string, TrainOptions> = {
  relu: {
    architecture: "relu",
    sparsityCoefficient: 1.5e-3,
    lossNormalization: "input_deviation",
  },
  batchtopk: { architecture: "batchtopk", k: 16, deadAfter: 20 },
};
const saes: Record<string, { small: Sae; large: Sae; other: Sae }> = {};
for (const [name, own] of Object.entries(families)) {
  saes[name] = {
    small: await trainOne(own, small, 1),
    large: await trainOne(own, large, 2),
    other: await trainOne(own, large, 3),
  };
}

const pairs: [string, Sae, Sae][] = [
  ["(a) ReLU", saes.relu.small, saes.relu.large],
  ["(b) BatchTopK", saes.batchtopk.small, saes.batchtopk.large],
  ["(c) ReLU, equal size", saes.relu.large, saes.relu.other],
  ["(c) BatchTopK, equal size", saes.batchtopk.large, saes.batchtopk.other],
  ["(d) ReLU, large random", saes.relu.small, randomRows(saes.relu.large, 11)],
  ["(d) BatchTopK, small random", randomRows(saes.batchtopk.small, 12), saes.batchtopk.large],
  [
    "(d) BatchTopK, both random",
    randomRows(saes.batchtopk.small, 13),
    randomRows(saes.batchtopk.large, 14),
  ],
  [
    "(d) random directions",
    untrained(saes.batchtopk.small, 15),
    untrained(saes.batchtopk.large, 16),
  ],
];
const studied: { name: string; pair: StudiedPair; claims: Claim[] }[] = [];
for (const [name, one, two] of pairs) {
  const study = await studyPair(gpu, one, two, () => heldOut);
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
  const { svg } = shrinkagePlot([studied[0].pair, studied[2].pair]);
  const shown = svg.replace("<svg ", '<svg color="#1a202c" style="background: #fff" ');
  await Deno.writeTextFile(join(text.out, "shrinkage.svg"), shown);
}

async function readActivations(): Promise<{ train: Matrix[]; heldOut: Matrix[] }> {
  await using model = await openLanguageModel(
    new URL("../examples/tiny-gpt2", import.meta.url).pathname,
    { hook: "blocks.2.hook_resid_pre" },
  );
  const corpus = await demoCorpus();
  const read = (texts: string[], rows: number) =>
    Array.fromAsync(
      streamActivations(model, texts, { batchSize: BATCH, maxTokens: rows, bufferRows: rows }),
    );
  // Steps beyond these batches read them again.
  return {
    train: await read(corpus.train, Math.min(steps, 400) * BATCH),
    heldOut: await read(corpus.heldOut, Math.max(samples, BATCH)),
  };
}

async function trainOne(own: TrainOptions, dictSize: number, seed: number): Promise<Sae> {
  const { sae } = await trainSae(gpu, again(train, steps), {
    ...own,
    dictSize,
    seed,
    steps,
    learningRate: 1.5e-3,
    decaySteps: steps >> 2,
    metadata: { model: "tiny-gpt2", hook: "blocks.2.hook_resid_pre", training: { seed } },
  });
  const { lossChange } = sae.metadata as { lossChange?: number };
  console.error(
    `${own.architecture} m ${dictSize}, seed ${seed}: loss changed by ` +
      `${lossChange?.toFixed(4) ?? "?"} at the end`,
  );
  return foldInputScale(sae);
}

function* again(batches: Matrix[], count: number): Generator<Matrix> {
  for (let i = 0; i < count; i++) yield batches[i % batches.length];
}

/** The same SAE with random unit vectors as decoder rows. */
function randomRows(sae: Sae, seed: number): Sae {
  return { ...sae, wDec: untrained(sae, seed).wDec };
}

/** Random unit vectors as encoder and decoder: better than the mean, although nothing was learned. */
function untrained(sae: Sae, seed: number): Sae {
  const { dModel, dictSize, bDec } = sae;
  const random = createRandom(seed);
  const fresh = initializeSae({ architecture: "topk", dModel, dictSize, k: 8, random });
  return { ...fresh, wEnc: fresh.wDec, bDec };
}

/** A row a claim, a column a pair: yes, no or a question mark. */
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
