import { basename, join } from "@std/path";
import { readLabelledTexts } from "../lib/activations/mod.ts";
import { nameSaes } from "../lib/formats/name_saes.ts";
import { studyProbes } from "../lib/interpretation/mod.ts";
import { formatSeconds } from "../lib/format_number.ts";
import { probeFiles } from "../lib/report/mod.ts";
import { recordedNormLimit } from "../lib/sae/norm_limit.ts";
import { isWhole } from "../lib/whole_number.ts";
import type { Command } from "./command.ts";
import { inputPaths, openCommandDevice, openModel, openSae, saePath, saeSource } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, group, helpOf, type Options, shared } from "./options.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { givenNormLimit, resolveNormLimit, sayBosInFront } from "./source.ts";
import { mean } from "../lib/mean.ts";

const OPTIONS: Options = [
  ["What is read", [
    {
      name: "data",
      value: "FILES",
      help: "labelled texts: .jsonl, .csv (also .gz), .parquet; may be repeated",
      required: true,
    },
    { name: "text-field", value: "NAME", help: "field or column of the text (default text)" },
    { name: "label-field", value: "NAME", help: "field or column of the label (default label)" },
    {
      name: "group-field",
      value: "NAME",
      help:
        "field of a text's group, such as its document: no group is in both training and test set",
    },
    shared("model", "default: the model that the first SAE's config names"),
    shared("hook", "default: the hook that the first SAE's config names"),
    shared("context", "tokens read per text, BOS included (default 128)", { least: 2 }),
    shared(
      "max-norm-multiple",
      "excludes activations above N times the median norm; none: no limit (default: as the first SAE was trained, else 10)",
    ),
    ...group("loading"),
  ]],
  ["Probes", [
    { name: "k", value: "N,N,…", help: "latents of a probe (default 1,2,5,10,20,50)" },
    {
      name: "ablate",
      value: "N,N,…",
      help: "latents ablated per class (default 2,5,10,20,50,100,500)",
    },
    {
      name: "train",
      value: "N",
      help: "largest number of texts to train a probe on (default 4000)",
      least: 2,
    },
    {
      name: "test",
      value: "N",
      help: "largest number of texts to test it on (default 1000)",
      least: 2,
    },
    shared("seed", "seed of the split into training and test sets (default 0)"),
  ]],
  ["What it writes", [
    shared("out", "default runs/probe-<date>: report.html, probes.csv, perturbation.csv, plots/"),
    shared("overwrite"),
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Sparse probing and targeted probe perturbation (Fig. 24 to 26 of the paper): how well a few latents
classify texts, and whether the latents of a class carry that class only.

Usage
  saewing probe SAE … --data FILES [options]

The SAEs are of one hook, ideally of several dictionary sizes. Per class, latents are chosen by the
difference of their mean activations, and a logistic regression on them is tested on held-out texts.
Baselines are the same number of channels of the residual stream, and the whole residual stream.
With three or more labels, latents are also ablated.`,
  OPTIONS,
  `Example
  saewing probe runs/m512/sae runs/m2048/sae --data genres.jsonl --label-field genre`,
);

/** `saewing probe`. */
export const probe: Command = {
  summary: "sparse probing: how well a few latents classify texts",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { io, output, signal } = session;
    if (given.positional.length === 0) throw new UsageError("the SAEs are missing");
    checkOptions(given, OPTIONS, Infinity);
    givenNormLimit(given);
    const [k, counts] = [readCounts(given, "k"), readCounts(given, "ablate")];
    const folders = await Promise.all(given.positional.map(saePath));
    const loaded = await Promise.all(folders.map((folder) => openSae(folder, given, session)));
    sayBosInFront(session, loaded);
    const names = nameSaes(folders);
    const saes = loaded.map((sae, i) => ({ name: names[i], sae }))
      .sort((a, b) => a.sae.dictSize - b.sae.dictSize);
    const options = given.withDefaults(saeSource(given, loaded[0], folders[0]));
    const data = await readLabelledTexts(options.texts("data"), {
      textField: options.text("text-field"),
      labelField: options.text("label-field"),
      groupField: options.text("group-field"),
    });
    using out = await openOutputFolder(options.text("out"), {
      command: "probe",
      options: { ...options.given, SAE: folders },
      overwrite: options.flag("overwrite"),
      inputs: [...folders, ...inputPaths(options)],
    });
    await using model = await openModel(options, session);
    using device = await openCommandDevice(options, io);
    output.say(
      `${saes.length} SAEs, ${data.texts.length} texts with ${new Set(data.labels).size} labels, ` +
        `on ${device.name}`,
    );
    const started = performance.now();
    const seed = options.number("seed") ?? 0;
    const contextLength = given.number("context");
    const study = await studyProbes(device, model, saes, data, {
      ...{ k, counts, seed, contextLength, signal },
      train: options.number("train"),
      test: options.number("test"),
      normLimit: resolveNormLimit(givenNormLimit(options), recordedNormLimit(loaded[0])),
      onProgress: output.progress,
    });
    const files = await probeFiles({
      date: new Date().toISOString().slice(0, 10),
      device: device.name,
      model: { id: model.id, hook: model.hook },
      data: options.texts("data").map((path) => basename(path)).join(", "),
      study,
      settings: {
        SAEs: folders.join(" "),
        data: options.texts("data").join(" "),
        "texts read": study.texts,
        ...{ "tokens per text": contextLength ?? 128, seed },
        time: formatSeconds((performance.now() - started) / 1000),
      },
    });
    signal.throwIfAborted();
    await out.start([]);
    await out.write(files);
    await out.finish();
    const report = join(out.path, "report.html");
    for (const { name, probes, perturbations } of study.saes) {
      const shown = [...Map.groupBy(probes, (each) => each.k)].map(([k, own]) =>
        `k ${k}: ${mean(own.map(({ correct, tested }) => correct / tested)).toFixed(3)}`
      );
      output.say(`${name}  ${shown.join("  ")}`);
      const scores = perturbations.map(({ count, score }) => `${count}: ${score.toFixed(3)}`);
      if (scores.length > 0) output.say(`${" ".repeat(name.length)}  ablated ${scores.join("  ")}`);
    }
    output.say(`report: ${report}`);
    output.result({ report, texts: study.texts, saes: study.saes.map(forMachines) });
  },
};

function forMachines({ name, dictSize, probes, perturbations }: {
  name: string;
  dictSize: number;
  probes: readonly { label: string; k: number; correct: number; tested: number }[];
  perturbations: readonly { count: number; score: number; printedScore: number }[];
}): Record<string, unknown> {
  return {
    ...{ name, dictSize },
    probes: probes.map(({ label, k, correct, tested }) => ({ label, k, correct, tested })),
    perturbations: perturbations.map(({ count, score, printedScore }) => ({
      ...{ count, score, printedScore },
    })),
  };
}

function readCounts(options: Arguments, name: string): number[] | undefined {
  const counts = options.text(name)?.split(",").map(Number);
  if (counts?.every((each) => isWhole(each, 1)) ?? true) return counts;
  throw new UsageError(`--${name} is ${options.text(name)}, expected whole numbers from 1 on`);
}
