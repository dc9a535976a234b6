import type { StudiedPair } from "../lib/report/studied_pair.ts";
import type { StitchedSaeRow } from "../lib/report/stitching_report.ts";
import { collectionIds, listCollections, type SaeCollection } from "../lib/formats/mod.ts";
import {
  decoderBiasAgreement,
  decoderOverlap,
  foldScales,
  studyPair,
} from "../lib/stitching/mod.ts";
import { loadSae, type Matrix, type NormLimit, type Sae } from "../mod.ts";
import { recordedNormLimit } from "../lib/activations/mod.ts";
import {
  checkSourceOptions,
  describeLeftOut,
  givenNormLimit,
  openActivationSource,
} from "./activation_source.ts";
import { inputPaths, saePath } from "./check_inputs.ts";
import { type Command, type Session, UsageError } from "./command.ts";
import { nameGroups } from "./latent_texts.ts";
import { openCommandDevice } from "./open.ts";
import {
  type Arguments,
  helpOf,
  type OptionTable,
  shared,
  type StudyOptions,
  studyOptions,
} from "./options.ts";
import { downloadProgress, type Output } from "./output.ts";
import { formatSeconds } from "../lib/report/format_number.ts";
import { openOutputFolder } from "./output_folder.ts";
import { writeStitchResults } from "./results.ts";
import { checkComparable, nameSaes, saeSource } from "./saes.ts";

const OPTIONS: OptionTable = [
  ["What is measured on", [
    shared("text"),
    shared("activations", "what `saewing harvest` wrote, in place of text"),
    {
      name: "samples",
      value: "N",
      help: "most activations (default 50000); they are held in memory",
    },
    shared("model", "default: what the first SAE's config names"),
    shared("hook", "default: what the first SAE's config names"),
    shared("context", "tokens per row (default: what the first SAE's config names)"),
    shared(
      "max-norm-multiple",
      "leaves out what exceeds N times the median norm, none: nothing (default: as the first SAE was trained, else 10)",
    ),
    shared("field"),
    shared("include-bos"),
    shared("dtype"),
    shared("revision"),
    shared("cache-dir"),
    shared("buffer"),
    shared(
      "examples",
      "rows of text for the names of latents in examples of groups (default 16, 0: none; with --text only)",
    ),
  ]],
  ["How", [
    {
      name: "threshold",
      value: "X",
      help: "θ of Eq. 6 (default 0.7, of Gemma Scope's collection 0.4)",
    },
    { name: "sizes", value: "M,M,…", help: "which of a collection's SAEs (default: all)" },
    {
      name: "also",
      value: "SAE",
      help:
        "another SAE, of another seed for example, that the comparison of all with all (Fig. 19, 20) takes in; may be repeated",
    },
    {
      name: "order",
      value: "NAME",
      help: "of the interpolation's steps: benefit (default), cosine or random",
    },
    shared("seed", "of random orders (default 0)"),
  ]],
  ["What it writes", [
    shared("out", "default runs/stitch-<date>: report.html, CSV files, plots/"),
    shared("overwrite"),
    shared("device"),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Stitches SAEs of growing size, and measures all that section 4 of the paper tells of them.

Usage
  saewing stitch SAE SAE [SAE …] --text FILES [options]
  saewing stitch SAE SAE [SAE …] --activations FOLDER [options]
  saewing stitch COLLECTION [--sizes M,M,…] --text FILES [options]

Each SAE is a folder, a file or a hub id, all of one hook of one model. They are taken by their size;
a run's folder stands for its SAE. A collection is a published family:
${listCollections().map(({ name }) => name).join(", ")}.

Each SAE is compared with the next: which latents are novel (Fig. 10), what each does when it is
added alone (Fig. 4, 16, 21), what swapping groups does (Fig. 17), how far similar latents are
active together (Fig. 11), what the smaller SAE misses (Fig. 14), and the way from the one to the
other (Fig. 5, 18, 22); and all with all: shared latents (Fig. 19) and decoder biases (Fig. 20).
Effects and the way are measured twice: as the SAEs are, and with one gain each that undoes the
shrinkage of their activations. A claim that the numbers cannot decide is marked "?", with the reason.`,
  OPTIONS,
  `Examples
  saewing stitch runs/m768/sae runs/m1536/sae --text held-out.jsonl
  saewing stitch runs/m768/sae runs/m1536/sae runs/m3072/sae --activations runs/activations \\
    --samples 100000 --threshold 0.7 --out runs/stitch`,
);

/** `saewing stitch`. */
export const stitch: Command = {
  summary: "stitch SAEs of growing size and measure section 4 of the paper",
  help: HELP,
  options: OPTIONS,
  run: study,
};

async function study(given: Arguments, { io, output, signal }: Session): Promise<void> {
  const collection = listCollections().find(({ name }) => name === given.positional[0]);
  const folders = await Promise.all(chooseSaes(given, collection).map(saePath));
  if (folders.length < 2) {
    throw new UsageError(`${folders.length} SAEs were given, expected at least 2`);
  }
  const how = studyOptions(given, collection);
  givenNormLimit(given);
  const also = await Promise.all(given.texts("also").map(saePath));
  const names = nameSaes([...folders, ...also]);
  const loaded = await Promise.all(
    [...folders, ...also].map((folder) =>
      loadSae(folder, {
        cacheDir: given.text("cache-dir"),
        onProgress: downloadProgress(output),
        signal,
      })
    ),
  );
  const folded = foldScales(loaded);
  const asGiven = names.map((name, i) => ({
    ...{ name, sae: folded[i], folder: [...folders, ...also][i] },
  }));
  // Everything that is said of a pair means that the first is the smaller one.
  const named = asGiven.slice(0, folders.length)
    .sort((a, b) => a.sae.dictSize - b.sae.dictSize);
  const everything = [...named, ...asGiven.slice(folders.length)];
  const saes = named.map(({ sae }) => sae);
  if (named.some(({ name }, i) => name !== names[i])) {
    output.say(`the SAEs are taken by their size: ${named.map(({ name }) => name).join(", ")}`);
  }
  const options = given.withDefaults(saeSource(given, saes[0], named[0].folder, collection));
  checkSourceOptions(options);
  for (const { name, sae } of everything) checkComparable(sae, name, saes[0], named[0].name);
  // A folder that cannot be written is found out before the measurements, not after them.
  using folder = await openOutputFolder(options.text("out"), {
    command: "stitch",
    options: { ...options.given, SAE: folders },
    overwrite: options.flag("overwrite"),
    inputs: [...folders, ...also, ...inputPaths(options)],
  });
  const started = performance.now();
  using gpu = await openCommandDevice(options, io);
  await using source = await openActivationSource(options, output, recordedLimit(saes), signal);
  signal.throwIfAborted();
  const taken = await takeBatches(source, how, output, signal);
  const batches = () => untilAborted(taken, signal);
  const samples = taken.reduce((sum, { rows }) => sum + rows, 0);
  output.say(`${samples} activations of ${source.model} at ${source.hook}, on ${gpu.name}`);
  const left = describeLeftOut(source.normLimit, source.leftOut());
  if (left) output.say(left);
  const unlike = unlikeLimits(source.normLimit, named);
  if (unlike) output.say(unlike);

  const pairs: StudiedPair[] = [];
  for (let i = 1; i < named.length; i++) {
    const [small, large] = [named[i - 1], named[i]];
    const study = await studyPair(gpu, small.sae, large.sae, batches, {
      ...how,
      signal,
      onProgress: (measurement, done) =>
        output.progress({
          phase: `${small.name} → ${large.name}: ${measurement}`,
          done,
          total: samples,
        }),
    });
    pairs.push({ small: small.name, large: large.name, study });
  }
  const rows = named.map(({ name, sae }, i) => describeSae(name, sae, pairs, i));
  output.progress({ phase: "all with all", done: 0 });
  const overlap = await decoderOverlap(gpu, everything, how.threshold);
  const biases = decoderBiasAgreement(everything);
  const examples = await nameGroups(gpu, source, options, pairs, saes, output, signal);
  signal.throwIfAborted();
  // What is there stays until there is something to put in its place.
  await folder.start([]);
  const results = await writeStitchResults(folder, {
    date: new Date().toISOString().slice(0, 10),
    device: gpu.name,
    source: { model: source.model, hook: source.hook, samples },
    saes: rows,
    pairs,
    overlap,
    biases,
    examples,
    settings: {
      ...how,
      activations: source.dataset,
      SAEs: folders.join(" "),
      normLimit: source.normLimit,
      "left out": left,
      "trained otherwise": unlike,
      ...(also.length > 0 ? { also: also.join(" ") } : {}),
      time: formatSeconds((performance.now() - started) / 1000),
    },
  });
  await folder.finish();
  output.say(results.text);
  output.say(`report: ${results.report}`);
  const { normLimit } = source;
  output.result({
    report: results.report,
    normLimit,
    read: source.leftOut(),
    saes: rows,
    pairs: results.claims,
  });
}

/** The batches, until a signal ends whoever reads them. */
function* untilAborted(batches: Matrix[], signal: AbortSignal): Generator<Matrix> {
  for (const batch of batches) {
    signal.throwIfAborted();
    yield batch;
  }
}

/** The SAEs that the arguments name, or those of a collection. */
function chooseSaes(given: Arguments, collection: SaeCollection | undefined): string[] {
  const sizes = given.text("sizes");
  if (!collection) {
    if (sizes !== undefined) throw new UsageError("--sizes goes with a collection's name only");
    return given.positional;
  }
  if (given.positional.length > 1) {
    throw new UsageError(`unexpected argument ${given.positional[1]} beside a collection`);
  }
  try {
    return collectionIds(collection.name, sizes?.split(",").map(Number));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** What the first SAE that says it was trained without. */
function recordedLimit(saes: Sae[]): NormLimit | "none" | undefined {
  return saes.map(recordedNormLimit).find((limit) => limit !== undefined);
}

/** Names SAEs that were trained without other activations than those that are left out here. */
function unlikeLimits(
  limit: NormLimit | "none",
  saes: { name: string; sae: Sae }[],
): string | undefined {
  const multiple = (limit: NormLimit | "none") => limit === "none" ? "none" : limit.multiple;
  const unlike = saes.flatMap(({ name, sae }) => {
    const own = recordedNormLimit(sae);
    return own === undefined || multiple(own) === multiple(limit) ? [] : [
      `${name} was trained with --max-norm-multiple ${multiple(own)}`,
    ];
  });
  if (unlike.length === 0) return undefined;
  return `${unlike.join(", ")}; here it is ${multiple(limit)}`;
}

async function takeBatches(
  source: Awaited<ReturnType<typeof openActivationSource>>,
  { samples, seed }: StudyOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Matrix[]> {
  const batches: Matrix[] = [];
  let rows = 0;
  // Batches of a store share a buffer, so each is copied.
  const order = { batchSize: 2048, epochs: 1, seed, startBatch: 0, signal };
  for await (const batch of source.batches(order)) {
    const taken = Math.min(batch.rows, samples - rows);
    batches.push({ ...batch, rows: taken, data: batch.data.slice(0, taken * batch.cols) });
    rows += taken;
    output.progress({ phase: "reading activations", done: rows, total: samples });
    if (rows >= samples) break;
  }
  signal.throwIfAborted();
  if (rows === 0) throw new Error(`${source.dataset} gives no activations`);
  return batches;
}

/** What the studies found of an SAE by itself: it is the small one of a pair, the last the large one. */
function describeSae(name: string, sae: Sae, pairs: StudiedPair[], i: number): StitchedSaeRow {
  const { l0, mse, nmse, activeLatents } = i < pairs.length
    ? pairs[i].study.controls.small
    : pairs[i - 1].study.controls.large;
  const { architecture, dictSize } = sae;
  return { name, architecture, dictSize, l0, mse, nmse, deadLatents: dictSize - activeLatents };
}
