import { join } from "@std/path";
import type { ActivationSource } from "../lib/activations/activation_source.ts";
import { takeActivations } from "../lib/activations/take_activations.ts";
import { collectionIds, listCollections, type SaeCollection } from "../lib/formats/mod.ts";
import { nameSaes } from "../lib/formats/name_saes.ts";
import { formatSeconds } from "../lib/format_number.ts";
import { type PairClaims, pairClaims } from "../lib/claims/mod.ts";
import { type NamedGroups, nameGroups } from "../lib/interpretation/mod.ts";
import { stitchingFiles } from "../lib/report/mod.ts";
import { commonReason, withoutCommonReason } from "../lib/claims/verdict.ts";
import { decoderDigest } from "../lib/meta/rows_digest.ts";
import { recordedNormLimit } from "../lib/sae/norm_limit.ts";
import {
  checkComparable,
  foldScales,
  type InterpolationOrder,
  type StudiedPair,
  studyChain,
} from "../lib/stitching/mod.ts";
import type { Device, NormLimit, Sae } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { describeClaim, describeLeftOut } from "./describe.ts";
import { inputPaths, openCommandDevice, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkWhole, group, helpOf, type Options, shared } from "./options.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import {
  checkSourceOptions,
  givenNormLimit,
  openActivationSource,
  readTokenRows,
} from "./source.ts";

const OPTIONS: Options = [
  ["What is measured on", [
    shared("text"),
    shared("activations", "what `saewing harvest` wrote, in place of text"),
    {
      name: "samples",
      value: "N",
      help: "largest number of activations (default 50000); they are held in memory",
    },
    shared("model", "default: what the first SAE's config names"),
    shared("hook", "default: what the first SAE's config names"),
    shared("context", "tokens per row (default: what the first SAE's config names)"),
    shared(
      "max-norm-multiple",
      "excludes activations above N times the median norm; none: no limit (default: as the first SAE was trained, else 10)",
    ),
    shared("field"),
    shared("include-bos"),
    shared(
      "prepend-bos",
      "whether rows of tokens begin with BOS (default: as the smallest SAE's config says, prepend_bos; else yes)",
    ),
    shared("input-transform", undefined, { choices: ["none", "center"] }),
    ...group("loading"),
    shared("buffer", "activations held in memory for shuffling (default: --samples)"),
    shared(
      "examples",
      "rows of text for the names of latents in examples of groups (default 16, 0: none; with --text only)",
    ),
  ]],
  ["How", [
    {
      name: "threshold",
      value: "X",
      help: "θ of Eq. 6 (default 0.7, for Gemma Scope's collection 0.4)",
    },
    { name: "sizes", value: "M,M,…", help: "which of a collection's SAEs (default: all)" },
    {
      name: "also",
      value: "SAE",
      help:
        "another SAE for the comparison of all pairs (Fig. 19, 20), of another seed for example; may be repeated",
    },
    {
      name: "order",
      value: "NAME",
      help: "order of the interpolation's steps: benefit (default), cosine or random",
    },
    shared("seed", "seed of random orders (default 0)"),
  ]],
  ["What it writes", [
    shared("out", "default runs/stitch-<date>: report.html, CSV files, plots/"),
    shared("overwrite"),
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Stitches SAEs of growing size, and measures everything of section 4 of the paper.

Usage
  saewing stitch SAE SAE [SAE …] --text FILES [options]
  saewing stitch SAE SAE [SAE …] --activations FOLDER [options]
  saewing stitch COLLECTION [--sizes M,M,…] --text FILES [options]

Each SAE is a folder, a file or a hub id, all of one hook of one model. They are ordered by size;
a run's folder stands for its SAE. A collection is a published family:
${listCollections().map(({ name }) => name).join(", ")}.

Each SAE is compared with the next: novel latents (Fig. 10), the effect of adding each alone (Fig.
4, 16, 21), of swapping groups (Fig. 17), activation similarity of similar latents (Fig. 11),
information that the smaller SAE misses (Fig. 14), and the interpolation between the two (Fig. 5,
18, 22). All pairs are compared by shared latents (Fig. 19) and decoder biases (Fig. 20). Effects
and interpolation are measured twice: with the SAEs as they are, and with one gain per SAE that
undoes the shrinkage of its activations. A claim that the numbers cannot decide is marked "?", with
the reason.`,
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

async function study(given: Arguments, session: Session): Promise<void> {
  const { io, output, signal } = session;
  const collection = listCollections().find(({ name }) => name === given.positional[0]);
  const folders = await Promise.all(chooseSaes(given, collection).map(saePath));
  if (folders.length < 2) {
    throw new UsageError(`${folders.length} SAEs were given, expected at least 2`);
  }
  const how = studyOptions(given, collection);
  givenNormLimit(given);
  const also = await Promise.all(given.texts("also").map(saePath));
  const all = [...folders, ...also];
  const names = nameSaes(all);
  const loaded = await Promise.all(all.map((folder) => openSae(folder, given, session)));
  const digests = await Promise.all(loaded.map(decoderDigest));
  const asGiven = foldScales(loaded).map((sae, i) => ({ name: names[i], sae, folder: all[i] }));
  // Results of a pair assume that the first SAE is the smaller one.
  const chain = asGiven.slice(0, folders.length)
    .sort((a, b) => a.sae.dictSize - b.sae.dictSize);
  const others = asGiven.slice(folders.length);
  const saes = chain.map(({ sae }) => sae);
  if (chain.some(({ name }, i) => name !== names[i])) {
    output.say(`the SAEs are ordered by size: ${chain.map(({ name }) => name).join(", ")}`);
  }
  const options = given.withDefaults(saeSource(given, saes[0], chain[0].folder, collection));
  checkSourceOptions(options);
  for (const { name, sae } of [...chain, ...others]) {
    checkComparable(sae, name, saes[0], chain[0].name);
  }
  // Fail before the measurements if the folder cannot be written.
  using folder = await openOutputFolder(options.text("out"), {
    command: "stitch",
    options: { ...options.given, SAE: folders },
    overwrite: options.flag("overwrite"),
    inputs: [...folders, ...also, ...inputPaths(options)],
  });
  const started = performance.now();
  using device = await openCommandDevice(options, io);
  await using source = await openActivationSource(options, session, recordedLimit(saes), {
    sae: saes[0],
    // As many as are measured: a buffer is filled before its first batch, and the model would run for the rest.
    bufferRows: how.samples,
  });
  signal.throwIfAborted();
  output.progress({ phase: "activations", done: 0, total: how.samples });
  const batches = await takeActivations(
    source.batches({
      batchSize: 2048,
      epochs: 1,
      seed: how.seed,
      startBatch: 0,
      keepLast: true,
      signal,
    }),
    how.samples,
    {
      signal,
      onProgress: (progress) => output.progress(progress),
    },
  );
  const samples = batches.reduce((sum, { rows }) => sum + rows, 0);
  if (samples === 0) throw new Error(`${source.dataset} gives no activations`);
  output.say(`${samples} activations of ${source.model} at ${source.hook}, on ${device.name}`);
  const left = describeLeftOut(source.normLimit, source.leftOut());
  if (left) output.say(left);
  const unlike = unlikeLimits(source.normLimit, chain);
  if (unlike) output.say(unlike);

  const studied = await studyChain(device, chain, batches, {
    ...how,
    also: others,
    signal,
    onProgress: ({ phase, done }) => output.progress({ phase, done, total: samples }),
  });
  const examples = await nameExamples(device, source, options, studied.pairs, saes, session);
  output.progress({ phase: "figures and report", done: 0 });
  const report = {
    date: new Date().toISOString().slice(0, 10),
    device: device.name,
    source: { model: source.model, hook: source.hook, samples },
    ...studied,
    saes: studied.saes.map((row) => ({ ...row, decoderDigest: digests[names.indexOf(row.name)] })),
    examples,
    settings: {
      ...how,
      activations: source.dataset,
      SAEs: folders.join(" "),
      normLimit: source.normLimit,
      excluded: left,
      "trained differently": unlike,
      ...(also.length > 0 ? { also: also.join(" ") } : {}),
      time: formatSeconds((performance.now() - started) / 1000),
    },
  };
  const files = await stitchingFiles(report);
  signal.throwIfAborted();
  // The previous results stay until there are new ones.
  await folder.start([]);
  await folder.write(files);
  await folder.finish();
  const path = join(folder.path, "report.html");
  const claims = pairClaims(studied.pairs);
  output.say(claims.map(describePair).join("\n"));
  output.say(`report: ${path}`);
  const { normLimit } = source;
  const read = source.leftOut();
  output.result({ report: path, normLimit, read, saes: studied.saes, pairs: claims });
}

/** Examples of groups with names of latents; none where there is no text. */
async function nameExamples(
  device: Device,
  source: ActivationSource,
  options: Arguments,
  pairs: readonly StudiedPair[],
  saes: readonly Sae[],
  { output, signal }: Session,
): Promise<NamedGroups[]> {
  const maxRows = options.number("examples") ?? 16;
  if (maxRows === 0 || options.texts("text").length === 0) return [];
  const { skipPositions, normLimit } = source;
  const { model, tokenRows } = await readTokenRows(source, options, maxRows);
  return await nameGroups(device, model, pairs, saes, tokenRows, {
    ...{ skipPositions, normLimit, signal },
    onProgress: ({ phase: pair, done, total }) =>
      output.progress({ phase: "names of latents", done, total }, { details: pair }),
  });
}

function describePair({ pair, warnings, claims }: PairClaims): string {
  const why = commonReason(claims);
  return [
    pair,
    ...warnings.map((warning) => `  Note: ${warning}.`),
    ...(why === undefined ? [] : [`  Nothing is decided: ${why}.`]),
    ...withoutCommonReason(claims).map(describeClaim),
  ].join("\n");
}

/** The SAEs that the arguments name, or those of a collection. */
function chooseSaes(given: Arguments, collection: SaeCollection | undefined): string[] {
  const sizes = given.text("sizes");
  if (!collection) {
    if (sizes !== undefined) {
      throw new UsageError("--sizes can be used only with a collection's name");
    }
    return given.positional;
  }
  if (given.positional.length > 1) {
    throw new UsageError(`unexpected argument ${given.positional[1]} beside a collection`);
  }
  try {
    return collectionIds(collection.name, { sizes: sizes?.split(",").map(Number) });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The norm limit of the first SAE that records one. */
function recordedLimit(saes: Sae[]): NormLimit | "none" | undefined {
  return saes.map(recordedNormLimit).find((limit) => limit !== undefined);
}

/** Names SAEs that were trained with another norm limit than the one used here. */
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

/** Options of a study of pairs of SAEs. */
export interface StudyOptions {
  /** θ of Eq. 6. */
  threshold: number;
  /** Order of the insertions. */
  order: InterpolationOrder;
  /** Seed of random choices. */
  seed: number;
  /** Largest number of samples. */
  samples: number;
}

/**
 * Reads the options of a study.
 *
 * @param collection The collection of the SAEs, which has its own threshold.
 * @throws {UsageError} A value does not fit.
 */
export function studyOptions(options: Arguments, collection?: SaeCollection): StudyOptions {
  const threshold = options.number("threshold") ?? collection?.threshold ?? 0.7;
  if (!(threshold >= -1 && threshold <= 1)) {
    throw new UsageError(`--threshold is ${threshold}, expected a cosine from -1 to 1`);
  }
  const order = options.text("order") ?? "benefit";
  if (order !== "benefit" && order !== "cosine" && order !== "random") {
    throw new UsageError(`--order is ${order}, expected benefit, cosine or random`);
  }
  checkWhole(options, ["samples"], 1);
  checkWhole(options, ["examples"], 0);
  const seed = options.number("seed") ?? 0;
  if (!Number.isSafeInteger(seed)) {
    throw new UsageError(`--seed is ${seed}, expected a whole number`);
  }
  return { threshold, order, seed, samples: options.number("samples") ?? 50_000 };
}
