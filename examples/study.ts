/**
 * The paper's experiments on a language model of your choice: families of SAEs of growing size, stitching,
 * meta-SAEs, probes, dashboards and an explorer site, each by a command that is printed. Finished stages are
 * skipped: start a stopped study again to continue it.
 *
 * ```sh
 * deno run -A examples/study.ts MODEL HOOK OUT
 * ```
 *
 * - `--text FILE --held-out FILE`: text to train and to evaluate on (default: that of the demo)
 * - `--sizes 640,1280,2560,5120`: dictionary sizes, each twice the previous one
 * - `--middle 2560`: the size that has an SAE with a second seed, the null case of stitching, and SAEs with half
 *   and twice the k (default: the last but one)
 * - `--k 32`: active latents per activation
 * - `--architectures batchtopk,relu,topk,jumprelu`: what is trained
 * - `--families batchtopk,relu`: what of it is stitched, decomposed, probed and shown
 * - `--steps 4000`, `--batch-size 4096`, `--tokens N` (activations to harvest; default: all text)
 * - `--samples 50000`: held-out activations to compare pairs of SAEs on
 * - `--rows 64`: rows of held-out text to measure cross-entropy on
 * - `--meta-size 320`: meta-latents (default: half of the smallest size, so that an SAE of about their number
 *   stands beside them), `--meta-epochs 2000`
 * - `--dashboard-rows 1000`: rows of held-out text for the dashboards
 * - `--probes FOLDER`: labelled texts as `examples/labelled_texts.ts` writes them
 * - `--until STAGE`: ends after activations, pilot, saes, stitch, meta, probes, dashboards or site
 *
 * Every size has its own seed, since SAEs with the same seed start alike.
 */
import { parseArgs } from "@std/cli";
import { parse as parseCsv } from "@std/csv";
import { join } from "@std/path";
import { main } from "../cli.ts";
import { writeDemoCorpus } from "./demo_corpus.ts";

const given = parseArgs(Deno.args, {
  // deno-fmt-ignore
  string: [
    "text", "held-out", "sizes", "middle", "k", "architectures", "families", "steps", "batch-size", "tokens",
    "samples", "rows", "meta-size", "meta-epochs", "dashboard-rows", "probes", "until",
  ],
});
const [model, hook, out] = given._.map(String);
if (out === undefined) {
  console.error("expected MODEL HOOK OUT; the comment at the top of this script lists its options");
  Deno.exit(2);
}
const STAGES = ["activations", "pilot", "saes", "stitch", "meta", "probes", "dashboards", "site"];
if (given.until !== undefined && !STAGES.includes(given.until)) {
  console.error(`--until is "${given.until}", expected one of ${STAGES.join(", ")}`);
  Deno.exit(2);
}
const sizes = (given.sizes ?? "640,1280,2560,5120").split(",").map(Number);
const k = Number(given.k ?? 32);
const architectures = (given.architectures ?? "batchtopk,relu,topk,jumprelu").split(",");
const families = (given.families ?? "batchtopk,relu").split(",");
const middle = Number(given.middle ?? sizes[sizes.length - 2]);
if (!sizes.includes(middle)) {
  console.error(`--middle is ${given.middle}, expected one of --sizes, ${sizes.join(",")}`);
  Deno.exit(2);
}
const largest = sizes[sizes.length - 1];
const SECOND_SEED = 101;
const folder = (name: string) => join(out, name);
/** The group of the stage that ran last. */
let before: string | undefined;

const { train, heldOut } = given.text !== undefined && given["held-out"] !== undefined
  ? { train: given.text, heldOut: given["held-out"] }
  : await writeDemoCorpus(folder("text"));

await stage("activations", "harvest", [
  ...["--model", model, "--hook", hook, "--text", train],
  ...(given.tokens ? ["--tokens", given.tokens] : []),
]);

const steps = Number(given.steps ?? 4000);
const training = [
  ...["--activations", folder("activations"), "--eval-text", heldOut],
  ...["--eval-rows", given.rows ?? "64", "--batch-size", given["batch-size"] ?? "4096"],
];
// As in the paper, λ is the same for all ReLU SAEs: the one that gives the middle size about k active latents,
// found in a run of a quarter of the steps.
const relu = { architecture: "relu", "loss-normalization": "input_deviation" };
let sparsity = 0;
if (architectures.includes("relu")) {
  const pilot = { ...relu, "dict-size": middle, "target-l0": k, seed: 201 };
  await sweep("pilot", [pilot], Math.ceil(steps / 4));
  sparsity = await lastSparsity();
}
await sweep("saes", grid(), steps);

// Pairs of neighbouring sizes, and the second seed of the middle one.
for (const name of families) {
  await stage(`stitch-${name}`, "stitch", [
    ...await Promise.all(sizes.map((size) => saeOf(name, size))),
    ...["--also", await saeOf(name, middle, SECOND_SEED)],
    ...["--text", heldOut, "--samples", given.samples ?? "50000"],
  ], "stitch");
  // Two SAEs that differ only in their seeds: a claim that holds for them does not depend on size.
  await stage(`stitch-${name}-seeds`, "stitch", [
    ...[await saeOf(name, middle), await saeOf(name, middle, SECOND_SEED)],
    ...["--text", heldOut, "--samples", given.samples ?? "50000"],
  ], "stitch");
}

for (const name of families) {
  await stage(`meta-${name}`, "meta", [
    await saeOf(name, largest),
    ...["--compare", ...await Promise.all(sizes.slice(0, -1).map((size) => saeOf(name, size)))],
    ...["--dict-size", given["meta-size"] ?? String(Math.ceil(sizes[0] / 2))],
    ...["--text", heldOut, "--epochs", given["meta-epochs"] ?? "2000"],
    // The loss must be flat at the end: the default learning rate, 1e-4, is for 49,152 rows.
    ...["--lr", "1e-3", "--decay-steps", String(Number(given["meta-epochs"] ?? 2000) >> 2)],
  ], "meta");
}

if (given.probes !== undefined) {
  const saes = (await Promise.all(families.map((name) =>
    Promise.all(sizes.map((size) => saeOf(name, size)))
  ))).flat();
  const files = (await Array.fromAsync(Deno.readDir(given.probes))).map(({ name }) => name).sort();
  for (const name of files) {
    const set = name.match(/^(.+)\.(jsonl|csv|parquet)$/)?.[1];
    if (set === undefined) continue;
    await stage(`probes-${set}`, "probe", [
      ...saes,
      ...["--data", join(given.probes, name), "--group-field", "source"],
    ], "probes");
  }
}

const dashboards = [];
for (const name of families) {
  for (const [at, size] of sizes.entries()) {
    const neighbours = [sizes[at - 1], sizes[at + 1]].filter((other) => other !== undefined);
    await stage(`dashboards-${name}-${size}`, "dashboard", [
      await saeOf(name, size),
      ...["--text", heldOut, "--examples", given["dashboard-rows"] ?? "1000"],
      ...(await Promise.all(neighbours.map((other) => saeOf(name, other))))
        .flatMap((sae) => ["--with", sae]),
      ...(size === largest ? ["--meta", folder(`meta-${name}/meta`)] : []),
    ], "dashboards");
    dashboards.push(folder(`dashboards-${name}-${size}`));
  }
}
await stage("site", "explore", [
  ...dashboards,
  folder("saes"),
  ...families.flatMap((name) => [folder(`stitch-${name}`), folder(`meta-${name}`)]),
]);

/** SAEs of every architecture and size at one k, second seeds of the middle size, and its other k. */
function grid(): Record<string, string | number>[] {
  const amounts = (at: number): Record<string, Record<string, string | number>> => ({
    batchtopk: { architecture: "batchtopk", k: at },
    relu: { ...relu, sparsity },
    topk: { architecture: "topk", k: at },
    jumprelu: { architecture: "jumprelu", "target-l0": at },
  });
  return architectures.flatMap((name) => [
    ...sizes.map((size, seed) => ({ ...amounts(k)[name], "dict-size": size, seed })),
    ...(families.includes(name)
      ? [{ ...amounts(k)[name], "dict-size": middle, seed: SECOND_SEED }]
      : []),
    ...(name === "relu" ? [] : [k / 2, 2 * k].map((other) => (
      { ...amounts(other)[name], "dict-size": middle, seed: sizes.indexOf(middle) }
    ))),
  ]);
}

async function sweep(
  name: string,
  cells: Record<string, string | number>[],
  steps: number,
): Promise<void> {
  await Deno.writeTextFile(folder(`${name}.json`), JSON.stringify(cells, undefined, 2));
  await stage(name, "sweep", [
    "--grid",
    folder(`${name}.json`),
    "--steps",
    `${steps}`,
    ...training,
  ]);
}

/** The final λ of the pilot. */
async function lastSparsity(): Promise<number> {
  const [cell] = await cellsOf("pilot");
  const text = await Deno.readTextFile(join(cell, "metrics.csv"));
  const rows = parseCsv(text, { skipFirstRow: true });
  return Number(Number(rows[rows.length - 1].sparsityCoefficient).toPrecision(3));
}

/** Folders of a sweep's SAEs. */
async function cellsOf(name: string): Promise<string[]> {
  const cells = [];
  for await (const entry of Deno.readDir(folder(name))) {
    if (/_seed\d+$/.test(entry.name)) cells.push(join(folder(name), entry.name));
  }
  return cells;
}

/** The SAE of an architecture and size, at the k of the families. */
async function saeOf(
  architecture: string,
  size: number,
  seed = sizes.indexOf(size),
): Promise<string> {
  for (const path of await cellsOf("saes")) {
    const { settings } = JSON.parse(await Deno.readTextFile(join(path, "cell.json")));
    const atK = architecture === "relu" || (settings.targetL0 ?? settings.k) === k;
    const is = settings.architecture === architecture && settings.dictSize === size;
    if (is && atK && settings.seed === seed) return join(path, "sae");
  }
  throw new Error(`${folder("saes")} has no ${architecture} SAE of ${size} latents, seed ${seed}`);
}

/** Runs a stage's command, unless it is finished; exits after the stage of `--until`. */
async function stage(
  name: string,
  command: string,
  args: string[],
  group = name,
): Promise<void> {
  if (before !== group && before !== undefined && before === given.until) Deno.exit(0);
  before = group;
  const manifest = await Deno.readTextFile(join(folder(name), "saewing.json")).catch(() => "{}");
  if (JSON.parse(manifest).finished !== undefined) return;
  const all = [command, ...args, "--out", folder(name)];
  console.log(`\nsaewing ${all.join(" ")}\n`);
  const code = await main(all);
  if (code !== 0) Deno.exit(code);
}
