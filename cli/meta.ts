import { join, resolve } from "@std/path";
import { checkExplains } from "../lib/meta/decompose.ts";
import { chooseDecomposed, chooseMetaLatents } from "../lib/report/meta_cards.ts";
import { mean } from "../lib/report/meta_findings.ts";
import { decoderRows } from "../lib/sae/decoder_rows.ts";
import type { ComparedMetaLatents, MetaControl } from "../lib/report/mod.ts";
import { decompose, type MetaMeasures } from "../lib/meta/mod.ts";
import type { LatentExamples } from "../lib/interpretation/mod.ts";
import { loadSae, type Sae } from "../mod.ts";
import { givenNormLimit } from "./activation_source.ts";
import { inputPaths, saePath } from "./check_inputs.ts";
import { type Command, UsageError } from "./command.ts";
import { openLatentTexts } from "./latent_texts.ts";
import {
  compareAndReplace,
  metaTraining,
  type MetaWork,
  trainAndSave,
  trainControls,
} from "./meta_work.ts";
import { openCommandDevice } from "./open.ts";
import { type Arguments, checkWhole, helpOf, type OptionTable, shared } from "./options.ts";
import { downloadProgress } from "./output.ts";
import { formatSeconds } from "../lib/report/format_number.ts";
import { openOutputFolder } from "./output_folder.ts";
import { writeMetaResults } from "./results.ts";
import { saeFiles } from "./run_files.ts";
import {
  checkComparable,
  lossChangeOf,
  nameSaes,
  saeSource,
  seedOf,
  trainingQuality,
} from "./saes.ts";

const OPTIONS: OptionTable = [
  ["What is trained", [
    {
      name: "dict-size",
      value: "M",
      help: "meta-latents (default: 3/64 of the latents, as 2304 of 49152; at least 2·k)",
    },
    { name: "k", value: "K", help: "meta-latents per latent, on average (default 4)" },
    shared("epochs", "how often all rows are read (default 2000)"),
    shared("batch-size", "rows per step (default 4096, or all of fewer)"),
    { name: "lr", value: "X", help: "Adam's learning rate (default 1e-4)" },
    { name: "warmup-steps", value: "N", help: "over which it rises from 0 (default 0)" },
    { name: "decay-steps", value: "N", help: "last steps over which it falls to 0 (default 0)" },
    {
      name: "gradient-clip",
      value: "X",
      help: "largest norm of all gradients together (default 0: any)",
    },
    { name: "aux-coefficient", value: "X", help: "weight of the auxiliary loss (default 1/16)" },
    { name: "aux-k", value: "N", help: "most dead meta-latents in it (default 512)" },
    {
      name: "dead-after",
      value: "N",
      help: "batches without activity after which one is dead (default 100)",
    },
    shared("seed", "(default: the first that none of the SAEs has)"),
    {
      name: "meta",
      value: "META",
      help: "a meta-SAE of this SAE that is saved already, in place of training",
    },
    {
      name: "no-control",
      help:
        "does not train the same on random unit rows and on random rows with the mean and covariance of the decoder rows, and on all three with k = 1. Without those numbers nobody can tell what the explained variance is worth, and claims are not decided. Each of the five takes as long again",
    },
  ]],
  ["What it is put beside", [
    {
      name: "compare",
      value: "SAE …",
      help:
        "SAEs of the same hook: how like their latents the meta-latents are (Fig. 6), and what is explained with their decoder rows in place of the meta-latents', encoder and biases trained again (Fig. 23); beside it with random unit rows and random rows of their covariance: each as long as the meta-SAE",
    },
    shared("text", ".txt, .jsonl, .csv (also .gz): names latents by where they are active"),
    shared("examples", "rows of it (default 64)"),
    shared("model", "default: what the SAE's config names"),
    shared("hook", "default: what the SAE's config names"),
    shared("context", "tokens per row (default: what the SAE's config names)"),
    shared("field"),
    shared("include-bos"),
    shared("max-norm-multiple"),
    shared("dtype"),
    shared("revision"),
    shared("cache-dir"),
  ]],
  ["What it writes", [
    shared("out", "default runs/meta-<date>: meta/ (the meta-SAE), report.html, CSV files, plots/"),
    shared("overwrite"),
    {
      name: "latents",
      value: "N,N,…",
      help: "latents to show taken apart (default: a dozen, among those explained best)",
    },
    {
      name: "meta-latents",
      value: "N",
      help: "most meta-latents in the report (default 60; the CSV files have all)",
    },
    shared("device"),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Takes the latents of an SAE apart with a meta-SAE, as section 5 of the paper does.

Usage
  saewing meta SAE [--compare SAE …] [--text FILES] [options]
  saewing meta SAE --meta META [--compare SAE …] [--text FILES] [options]

Each SAE is a folder, a file or a hub id. A meta-SAE is trained on the decoder rows of the first, and
each row is written as a sum of few meta-latents.`,
  OPTIONS,
  `Ctrl-C ends the training after the current step and saves the meta-SAE so far.

Examples
  saewing meta runs/m2048/sae --epochs 500 --lr 1e-3 --text held-out.jsonl
  saewing meta runs/m2048/sae --compare runs/m64/sae runs/m128/sae --out runs/meta
  saewing meta runs/m2048/sae --meta runs/meta/meta --no-control --latents 12,700`,
);

const DOZEN = 12;

/** `saewing meta`. */
export const meta: Command = {
  summary: "take an SAE's latents apart with a meta-SAE (section 5 of the paper)",
  help: HELP,
  options: OPTIONS,
  async run(given, { io, output, signal, leaves }) {
    const folders = await Promise.all(chooseSaes(given).map(saePath));
    givenNormLimit(given);
    const cacheDir = given.text("cache-dir");
    const load = (folder: string) =>
      loadSae(folder, { cacheDir, onProgress: downloadProgress(output), signal });
    const [sae, ...others] = await Promise.all(folders.map(load));
    const [name, ...names] = nameSaes(folders);
    const metaFolder = given.text("meta");
    const before = metaFolder === undefined ? undefined : await load(metaFolder);
    const options = given.withDefaults(saeSource(given, sae, folders[0]));
    const training = metaTraining(options, [sae, ...others], before);
    if (before) await checkMetaOf(before, metaFolder!, sae);
    const shown = shownLatents(options, sae);
    const warnings = [
      ...(before && before.metadata.explains === undefined
        ? [`${metaFolder} does not say which SAE it explains: it was taken to be this one`]
        : []),
      ...others.flatMap((other, i) => checkComparable(other, names[i], sae, name)),
      ...[sae, ...others].flatMap((each, i) =>
        sharedSeed(each, [name, ...names][i], training.seed)
      ),
    ];
    const compared = others.map((sae, i) => ({ name: names[i], folder: folders[i + 1], sae }))
      .sort((a, b) => a.sae.dictSize - b.sae.dictSize);

    const started = performance.now();
    using out = await openOutputFolder(options.text("out"), {
      command: "meta",
      options: { ...options.given, SAE: folders.slice(0, 1) },
      overwrite: options.flag("overwrite"),
      inputs: [...folders, ...inputPaths(options)],
      // Of a run that was interrupted the meta-SAE is there already.
      goOn: ({ command, finished }) =>
        command === "meta" && finished === undefined && metaFolder !== undefined &&
        resolve(metaFolder) === resolve(options.text("out")!, "meta"),
    });
    await using texts = await openLatentTexts(options, sae, output, signal);
    using gpu = await openCommandDevice(options, io);
    const folder = metaFolder ?? join(out.path, "meta");
    // What is there stays until there is something to put in its place.
    const begin = () => out.start(before ? [] : saeFiles("meta"));
    const saved = () =>
      leaves({ text: `\`--meta ${folder}\` continues with it`, data: { meta: folder } });
    if (before) saved();
    const work: MetaWork = { gpu, sae, name: folders[0], training, signal, output };
    const { meta, history } = before
      ? { meta: before, history: [] }
      : await trainAndSave(work, folder, begin);
    saved();
    signal.throwIfAborted();
    const decomposition = await decompose(gpu, meta, sae);
    const withControls = !options.flag("no-control");
    const controls = withControls ? await trainControls(work) : undefined;
    const beside: ComparedMetaLatents[] = [];
    for (const other of compared) {
      beside.push(await compareAndReplace(work, meta, other, withControls));
    }
    const contexts = await texts?.find(gpu, output, signal) ??
      new Map<number, LatentExamples>();
    signal.throwIfAborted();
    const active = (latent: number) => !texts || contexts.get(latent)!.examples.length > 0;
    await begin();
    // Of a run that was killed while it wrote them.
    await out.remove((name) => !name.startsWith("meta/"));
    const results = await writeMetaResults(out, {
      date: new Date().toISOString().slice(0, 10),
      device: gpu.name,
      sae: {
        ...{ name, architecture: sae.architecture, dictSize: sae.dictSize, dModel: sae.dModel },
        ...trainingQuality(folders[0], sae),
        source: describeSource(sae),
      },
      meta: { seed: seedOf(meta), lossChange: lossChangeOf(meta) },
      ...{ decomposition, k: meta.k, controls, compared: beside, history, contexts },
      warnings: [...new Set(warnings)],
      latents: shown.latents ?? chooseDecomposed(decomposition, DOZEN, active),
      metaLatents: chooseMetaLatents(decomposition, shown.metaLatents),
      settings: {
        SAE: folders[0],
        "meta-SAE": folder,
        compare: folders.slice(1).join(" ") || undefined,
        text: texts?.source.dataset,
        ...training,
        time: formatSeconds((performance.now() - started) / 1000),
      },
    });
    await out.finish();
    const { explainedVariance, l0, deadMetaLatents } = decomposition;
    output.say(results.text);
    output.say(`report: ${results.report}`);
    output.result({
      report: results.report,
      meta: folder,
      ...{ explainedVariance, l0, deadMetaLatents },
      controls: controls && {
        isotropic: measuresOf(controls.isotropic),
        matched: measuresOf(controls.matched),
        single: controls.single && measuresOf(controls.single),
      },
      ...{ compared: beside.map(forMachines), claims: results.claims },
    });
  },
};

function measuresOf(
  { explainedVariance, l0, deadMetaLatents, lossChange }: MetaMeasures & Partial<MetaControl>,
): MetaMeasures & { lossChange?: number } {
  return { explainedVariance, l0, deadMetaLatents, lossChange };
}

/** Refuses what is no meta-SAE, or is one of another SAE. */
async function checkMetaOf(meta: Sae, folder: string, sae: Sae): Promise<void> {
  const { explains, hook } = meta.metadata;
  if (explains === undefined && typeof hook === "string") {
    throw new UsageError(
      `--meta ${folder} is no meta-SAE: its config says that it is an SAE of ${hook}`,
    );
  }
  try {
    await checkExplains(meta, decoderRows(sae));
  } catch (error) {
    throw new Error(`--meta ${folder}: ${(error as Error).message}`, { cause: error });
  }
}

function forMachines(
  { name, dictSize, meanCosine, chance, replaced, replacedControls }: ComparedMetaLatents,
): Record<string, unknown> {
  const chanceCosine = { isotropic: mean(chance.isotropic), matched: mean(chance.matched) };
  return { name, dictSize, meanCosine, chanceCosine, replaced, replacedControls };
}

/** The SAE, and those that `--compare` names: `--compare A B` gives it one, the rest stand alone. */
function chooseSaes(given: Arguments): string[] {
  const [first, ...rest] = given.positional;
  const compared = given.texts("compare");
  if (first === undefined) throw new UsageError("the SAE is missing");
  if (rest.length > 0 && compared.length === 0) {
    throw new UsageError(`unexpected argument ${rest[0]}: --compare goes before other SAEs`);
  }
  if (rest.length > 0 && given.first !== first) {
    throw new UsageError("the SAE that is taken apart comes first, before the options");
  }
  return [first, ...compared, ...rest];
}

function shownLatents(
  options: Arguments,
  { dictSize }: Sae,
): { latents: number[] | undefined; metaLatents: number } {
  const latents = options.text("latents")?.split(",").map(Number);
  for (const latent of latents ?? []) {
    if (!(Number.isSafeInteger(latent) && latent >= 0 && latent < dictSize)) {
      throw new UsageError(
        `--latents is ${options.text("latents")}, expected whole numbers below ${dictSize}`,
      );
    }
  }
  checkWhole(options, ["meta-latents"], 0);
  checkWhole(options, ["examples"], 1);
  return { latents, metaLatents: options.number("meta-latents") ?? 60 };
}

function sharedSeed(sae: Sae, name: string, seed: number): string[] {
  if (seedOf(sae) !== seed) return [];
  return [
    `${name} has the meta-SAE's seed, ${seed}: both started from the same directions, and may be alike ` +
    `for that`,
  ];
}

function describeSource({ metadata: { model, hook } }: Sae): string | undefined {
  const known = [model, hook].filter((name) => typeof name === "string");
  return known.length > 0 ? known.join(" at ") : undefined;
}
