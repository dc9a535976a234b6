import { loadSae, type Sae, saveSae } from "../mod.ts";
import type { Command } from "./command.ts";
import { saeOptions } from "./open.ts";
import { UsageError } from "./io.ts";
import { checkOptions, helpOf, type Options, shared } from "./options.ts";
import { formatTable, hubOptions } from "./output.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import { RUN_FILES, saeFiles } from "../lib/formats/run_files.ts";

const OPTIONS: Options = [
  ["Options", [
    shared("overwrite", "replaces an SAE, or another run, that OUT holds; files of others stay"),
    {
      name: "set",
      value: "KEY=VALUE",
      help:
        "a key in place of the config's own, for configs that are wrong or say too little (--set architecture=topk --set k=32); may be repeated",
    },
    shared("input-transform", undefined, { choices: ["none", "center"] }),
    shared("input-scale"),
    shared("revision"),
    shared("cache-dir"),
    { name: "offline", help: "use what is in the cache, download nothing" },
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Converts an SAE to a folder that saewing and SAELens read (float32, safetensors).

Usage
  saewing convert SAE OUT [options]

SAE is a folder, a file, a hub id, or a release of SAELens with an SAE's id: SAELens of any version, Gemma
Scope 1 and 2, Llama Scope, Qwen Scope, dictionary_learning, SAEBench, sparsify and others.`,
  OPTIONS,
  `Examples
  saewing convert google/gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82 saes/gemma-16k
  saewing convert gemma-scope-2-270m-pt-res/layer_12_width_16k_l0_small saes/gemma-3
  saewing convert downloads/params.npz saes/gemma-16k --overwrite`,
);

/** `saewing convert`. */
export const convert: Command = {
  summary: "convert an SAE of another format",
  help: HELP,
  options: OPTIONS,
  async run(options, { output, signal }) {
    const [from, out] = options.positional;
    if (!from) throw new UsageError("the SAE is missing");
    if (!out) throw new UsageError("the folder to write is missing");
    checkOptions(options, OPTIONS, 2);
    using folder = await openOutputFolder(out, {
      command: "convert",
      options: { ...options.given, SAE: [from] },
      overwrite: options.flag("overwrite"),
      inputs: [from],
      // Saving replaces these files so that a kill at any time leaves the old or the new SAE.
      keep: RUN_FILES.convert,
    });
    const sae = await loadSae(from, {
      config: parseSettings(options.texts("set")),
      revision: options.text("revision"),
      cacheDir: options.text("cache-dir"),
      ...(options.flag("offline") ? { offline: true } : {}),
      ...saeOptions(from, options, output),
      ...hubOptions(output),
      signal,
    });
    signal.throwIfAborted();
    await folder.start(saeFiles(""));
    await saveSae(sae, out);
    await folder.finish();
    const found = describe(sae);
    output.say(formatTable(Object.entries(found).map(([name, value]) => [name, String(value)])));
    output.say(`written to ${out}`);
    output.result({ out, ...found });
  },
};

/** KEY=VALUE, the value as JSON where it is JSON and as text where not. */
function parseSettings(settings: string[]): Record<string, unknown> {
  return Object.fromEntries(settings.map((setting) => {
    const at = setting.indexOf("=");
    if (at < 1) throw new UsageError(`--set is ${setting}, expected KEY=VALUE`);
    const text = setting.slice(at + 1);
    try {
      return [setting.slice(0, at), JSON.parse(text)];
    } catch {
      return [setting.slice(0, at), text];
    }
  }));
}

/** What was found, by the names that the table shows. */
function describe(sae: Sae): Record<string, unknown> {
  const { metadata } = sae;
  const all: Record<string, unknown> = {
    format: metadata.format ?? "saewing",
    architecture: sae.architecture,
    dModel: sae.dModel,
    dictSize: sae.dictSize,
    k: sae.k,
    inputTransform: sae.inputTransform,
    inputNormalization: sae.inputNormalization,
    subtractDecoderBias: sae.subtractDecoderBias,
    model: metadata.model,
    hook: metadata.hook,
    contextSize: metadata.contextSize,
    prependBos: metadata.prependBos,
    folded: (metadata.folded as string[] | undefined)?.join("; "),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
