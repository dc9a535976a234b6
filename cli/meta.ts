import { join, resolve } from "@std/path";
import { measuredNmse } from "../lib/formats/measured_nmse.ts";
import { nameSaes } from "../lib/formats/name_saes.ts";
import { contextsByLatent, type LatentExamples } from "../lib/interpretation/mod.ts";
import { checkExplains } from "../lib/meta/decompose.ts";
import { mean } from "../lib/mean.ts";
import {
  type ComparedMetaLatents,
  completeMetaOptions,
  type MetaControl,
  type MetaMeasures,
  type MetaSaeOptions,
  sharedSeedWarnings,
  studyMeta,
} from "../lib/meta/mod.ts";
import { formatSeconds } from "../lib/format_number.ts";
import { chooseDecomposed, chooseMetaLatents } from "../lib/meta/read_decomposition.ts";
import { metaClaims } from "../lib/claims/mod.ts";
import { metaFiles } from "../lib/report/mod.ts";
import { decoderDigest } from "../lib/meta/rows_digest.ts";
import { trainingOptions } from "../lib/sweep/option_texts.ts";
import { checkComparable } from "../lib/stitching/mod.ts";
import { type Device, type Sae, saveSae } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { contextsProgress, describeClaim, describeSource, metaProgress } from "./describe.ts";
import { inputPaths, openCommandDevice, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import {
  type Arguments,
  checkWhole,
  group,
  helpOf,
  type Options,
  readLatents,
  shared,
} from "./options.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { saeFiles } from "../lib/formats/run_files.ts";
import { givenNormLimit, type NamingText, openNamingText } from "./source.ts";
import { META_TRAINING } from "./training_options.ts";

const OPTIONS: Options = [
  ["What is trained", [
    {
      name: "dict-size",
      value: "M",
      help: "meta-latents (default: 3/64 of the latents, as 2304 of 49152; at least 2·k)",
    },
    { name: "k", value: "K", help: "meta-latents per latent, on average (default 4)" },
    shared("epochs", "passes over all rows (default 2000)"),
    shared("batch-size", "rows per step (default 4096, or all where there are fewer)"),
    { name: "lr", value: "X", help: "Adam's learning rate (default 1e-4)" },
    { name: "warmup-steps", value: "N", help: "steps over which it rises from 0 (default 0)" },
    { name: "decay-steps", value: "N", help: "last steps, over which it falls to 0 (default 0)" },
    {
      name: "gradient-clip",
      value: "X",
      help: "largest norm of all gradients together (default 0: not clipped)",
    },
    { name: "aux-coefficient", value: "X", help: "weight of the auxiliary loss (default 1/16)" },
    { name: "aux-k", value: "N", help: "limit of dead meta-latents in it (default 512)" },
    {
      name: "dead-after",
      value: "N",
      help: "batches without activity after which one is dead (default 100)",
    },
    shared("seed", "(default: the first that none of the SAEs has)"),
    {
      name: "meta",
      value: "META",
      help: "a saved meta-SAE of this SAE, in place of training",
    },
    {
      name: "no-control",
      help:
        "does not train the control meta-SAEs: on random unit rows, on random rows with the mean and covariance of the decoder rows, and on all three with k = 1. Without them the explained variance has no baseline and claims are not decided. Each of the five takes as long as the meta-SAE",
    },
  ]],
  ["What it is compared with", [
    {
      name: "compare",
      value: "SAE …",
      help:
        "SAEs of the same hook: similarity of the meta-latents to their latents (Fig. 6), and the variance explained with their decoder rows in place of the meta-latents', encoder and biases trained again (Fig. 23); as controls, the same with random unit rows and with random rows of their covariance. Each takes as long as the meta-SAE",
    },
    shared("text", ".txt, .jsonl, .csv (also .gz): names latents by their top contexts"),
    shared("examples", "rows of it (default 64)"),
    shared("model", "default: what the SAE's config names"),
    shared("hook", "default: what the SAE's config names"),
    shared("context", "tokens per row (default: what the SAE's config names)"),
    shared("field"),
    shared("include-bos"),
    shared("prepend-bos"),
    shared("max-norm-multiple"),
    ...group("loading"),
  ]],
  ["What it writes", [
    shared("out", "default runs/meta-<date>: meta/ (the meta-SAE), report.html, CSV files, plots/"),
    shared("overwrite"),
    {
      name: "latents",
      value: "N,N,…",
      help: "latents whose decomposition is shown (default: 12 among those explained best)",
    },
    {
      name: "meta-latents",
      value: "N",
      help: "largest number of meta-latents in the report (default 60; the CSV files have all)",
    },
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Decomposes the latents of an SAE with a meta-SAE (section 5 of the paper).

Usage
  saewing meta SAE [--compare SAE …] [--text FILES] [options]
  saewing meta SAE --meta META [--compare SAE …] [--text FILES] [options]

Each SAE is a folder, a file or a hub id. A meta-SAE is trained on the decoder rows of the first, and
each row becomes a sparse sum of meta-latents.`,
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
  summary: "decompose an SAE's latents with a meta-SAE (section 5 of the paper)",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { io, output, signal, leaves } = session;
    const folders = await Promise.all(chooseSaes(given).map(saePath));
    givenNormLimit(given);
    const load = (folder: string) => openSae(folder, given, session);
    const [sae, ...others] = await Promise.all(folders.map(load));
    const [name, ...names] = nameSaes(folders);
    const metaFolder = given.text("meta");
    const before = metaFolder === undefined ? undefined : await load(metaFolder);
    const options = given.withDefaults(saeSource(given, sae, folders[0]));
    const asked = metaOptions(options, before !== undefined);
    const training = completeMetaOptions(asked, [sae, ...others], before);
    if (before) await checkMetaOf(before, metaFolder!, sae);
    const shown = shownLatents(options, sae);
    const compare = others.map((sae, i) => ({ name: names[i], sae, folder: folders[i + 1] }))
      .sort((a, b) => a.sae.dictSize - b.sae.dictSize);
    const warnings = [
      ...(before && before.metadata.explains === undefined
        ? [`${metaFolder} does not say which SAE it explains: this one is assumed`]
        : []),
      ...others.flatMap((other, i) => checkComparable(other, names[i], sae, name)),
      ...sharedSeedWarnings(
        [sae, ...others].map((sae, i) => ({ name: [name, ...names][i], sae })),
        training.seed,
      ),
    ];

    const started = performance.now();
    using out = await openOutputFolder(options.text("out"), {
      command: "meta",
      options: { ...options.given, SAE: folders.slice(0, 1) },
      overwrite: options.flag("overwrite"),
      inputs: [...folders, ...inputPaths(options)],
      // The meta-SAE of an interrupted run is there already.
      goOn: ({ command, finished }) =>
        command === "meta" && finished === undefined && metaFolder !== undefined &&
        resolve(metaFolder) === resolve(options.text("out")!, "meta"),
    });
    await using texts = await openNamingText(options, sae, session);
    using device = await openCommandDevice(options, io);
    const folder = metaFolder ?? join(out.path, "meta");
    // The previous results stay until there are new ones.
    const begin = () => out.start(before ? [] : saeFiles("meta"));
    const saved = () =>
      leaves({ text: `\`--meta ${folder}\` continues with it`, data: { meta: folder } });
    if (before) saved();
    else {
      output.say(
        `${training.dictSize} meta-latents on ${sae.dictSize} decoder rows, k = ${training.k}, ` +
          `${training.steps} steps, on ${device.name}`,
      );
    }
    const study = await studyMeta(device, sae, {
      ...training,
      ...{ name: folders[0], meta: before, nmse: measuredNmse(folders[0]), signal },
      compare: compare.map((other) => ({ ...other, nmse: measuredNmse(other.folder) })),
      controls: !options.flag("no-control"),
      async onTrained({ meta, history, explainedVariance }) {
        await begin();
        await saveSae(meta, folder);
        output.say(
          `${history.length} steps explain ${(100 * explainedVariance).toFixed(1)} % of the ` +
            `variance; meta-SAE saved in ${folder}`,
        );
        saved();
      },
      onProgress: metaProgress(training.dictSize, output),
    });
    const contexts = await findContexts(device, sae, texts, session);
    signal.throwIfAborted();
    const active = (latent: number) => !texts || contexts.get(latent)!.examples.length > 0;
    const { decomposition, controls, compared } = study;
    output.progress({ phase: "figures and report", done: 0 });
    const report = {
      ...study,
      date: new Date().toISOString().slice(0, 10),
      device: device.name,
      sae: {
        ...{ name, architecture: sae.architecture, dictSize: sae.dictSize, dModel: sae.dModel },
        ...study.sae,
        ...{ source: describeSource(sae), decoderDigest: await decoderDigest(sae) },
      },
      contexts,
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
    };
    const files = await metaFiles(report);
    signal.throwIfAborted();
    await begin();
    // Left by a run that was killed while writing.
    await out.remove((name) => !name.startsWith("meta/"));
    await out.write(files);
    await out.finish();
    const { explainedVariance, l0, deadMetaLatents } = decomposition;
    const claims = metaClaims(report);
    const path = join(out.path, "report.html");
    output.say(claims.map(describeClaim).join("\n"));
    output.say(`report: ${path}`);
    output.result({
      report: path,
      meta: folder,
      ...{ explainedVariance, l0, deadMetaLatents },
      controls: controls && {
        isotropic: measuresOf(controls.isotropic),
        matched: measuresOf(controls.matched),
        single: controls.single && measuresOf(controls.single),
      },
      ...{ compared: compared.map(forMachines), claims },
    });
  },
};

/**
 * The options of a meta-SAE's training.
 *
 * @param isTrained Whether a trained meta-SAE is given.
 * @throws {UsageError} A number does not fit.
 */
function metaOptions(options: Arguments, isTrained: boolean): MetaSaeOptions {
  const own = isTrained && ["dict-size", "k"].find((name) => options.given[name]);
  if (own) throw new UsageError(`--${own} does not go with --meta: the meta-SAE has its own`);
  checkWhole(options, ["epochs", "batch-size", "dict-size", "k"], 1);
  return {
    ...trainingOptions((name) => META_TRAINING.includes(name) ? options.text(name) : undefined),
    batchSize: options.number("batch-size"),
    epochs: options.number("epochs"),
  };
}

/** The top contexts of every latent, for their names; none without text. */
async function findContexts(
  device: Device,
  sae: Sae,
  texts: NamingText | undefined,
  { output, signal }: Session,
): Promise<Map<number, LatentExamples>> {
  if (!texts) return new Map();
  const { source: { skipPositions, normLimit }, model, tokenRows } = texts;
  return await contextsByLatent(device, model, sae, tokenRows, {
    ...{ skipPositions, normLimit, signal },
    onProgress: contextsProgress(output, tokenRows.length),
  });
}

function measuresOf(
  { explainedVariance, l0, deadMetaLatents, lossChange }: MetaMeasures & Partial<MetaControl>,
): MetaMeasures & { lossChange?: number } {
  return { explainedVariance, l0, deadMetaLatents, lossChange };
}

/** Refuses an SAE that is not a meta-SAE, or a meta-SAE of another SAE. */
async function checkMetaOf(meta: Sae, folder: string, sae: Sae): Promise<void> {
  const { explains, hook } = meta.metadata;
  if (explains === undefined && typeof hook === "string") {
    throw new UsageError(
      `--meta ${folder} is not a meta-SAE: by its config it is an SAE of ${hook}`,
    );
  }
  try {
    await checkExplains(meta, sae);
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
    throw new UsageError("the SAE to decompose comes first, before the options");
  }
  return [first, ...compared, ...rest];
}

function shownLatents(
  options: Arguments,
  { dictSize }: Sae,
): { latents: number[] | undefined; metaLatents: number } {
  const latents = readLatents(options, dictSize);
  checkWhole(options, ["meta-latents"], 0);
  checkWhole(options, ["examples"], 1);
  return { latents, metaLatents: options.number("meta-latents") ?? 60 };
}
