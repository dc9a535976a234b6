import type { Command } from "./command.ts";
import { dashboardPart } from "./dashboard_part.ts";
import { openInputs, writeDashboards } from "./dashboard_run.ts";
import { checkOptions, group, helpOf, type Options, shared, TEXT_OF_SAE } from "./options.ts";
import { givenPart, PART_OPTION } from "./part.ts";

const OPTIONS: Options = [
  ["What is read", TEXT_OF_SAE],
  ["What is shown", [
    { name: "latents", value: "N,N,…", help: "latents that get a dashboard (default: all)" },
    {
      name: "top",
      value: "N",
      help: "contexts with the largest activations per latent (default 20)",
      least: 1,
    },
    {
      name: "samples",
      value: "N",
      help: "contexts sampled from each interval of activations (default 5)",
      least: 0,
    },
    {
      name: "neighbours",
      value: "N",
      help: "number of nearest latents and of co-active latents (default 10)",
      least: 1,
    },
    {
      name: "with",
      value: "SAE",
      help: "another SAE whose nearest latents are shown; may be repeated",
    },
    {
      name: "labels",
      value: "FILE",
      help: "explanations.jsonl of `saewing explain`: its words in place of labels from tokens",
    },
    { name: "meta", value: "META", help: "a meta-SAE of this SAE: its meta-latents are shown" },
    {
      name: "meta-labels",
      value: "FILE",
      help: "meta_explanations.jsonl of `saewing explain`: words for meta-latents",
    },
    {
      name: "final-norm",
      help: "multiplies decoder directions by the final norm's weight before the unembedding",
    },
    { name: "no-logits", help: "no tokens that latents promote and suppress" },
  ]],
  ["What it writes", [
    { name: "pages", help: "also a page per latent, pages/latent-N.html; needs --latents" },
    { name: "neuronpedia", help: "also Neuronpedia's import format, in neuronpedia/" },
    {
      name: "neuronpedia-model",
      value: "ID",
      help: "Neuronpedia's id of the model (default: the model's name)",
    },
    {
      name: "neuronpedia-set",
      value: "NAME",
      help: "name of the set of sources there (default saewing-m<dictionary size>)",
    },
    shared("out", "default runs/dashboard-<date>: dashboard.json, latents.bin, index.bin, shards"),
    shared("overwrite"),
    PART_OPTION,
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Writes dashboards of an SAE's latents: contexts, samples of all activations, histograms, logits,
neighbours, a label from tokens.

Usage
  saewing dashboard SAE --text FILES [options]

SAE is a folder, a file or a hub id; a run's folder stands for its SAE. All latents are collected in
one pass over the text. The folder is read by ranges, by \`openDashboards\` of the library.`,
  OPTIONS,
  `Examples
  saewing dashboard runs/m2048/sae --text held-out.jsonl --out runs/dashboards
  saewing dashboard runs/m2048/sae --text held-out.jsonl --latents 3,17 --with runs/m512/sae --pages`,
);

/** `saewing dashboard`. */
export const dashboard: Command = {
  summary: "write dashboards of an SAE's latents",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    checkOptions(given, OPTIONS, 1);
    const part = givenPart(given);
    const inputs = await openInputs(given, session);
    if (part) await dashboardPart(part, given, inputs, session);
    else await writeDashboards(given, session, inputs);
  },
};
