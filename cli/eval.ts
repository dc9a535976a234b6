import {
  evaluateOnTexts,
  loadSae,
  measureNormLimit,
  orderedActivations,
  readDocuments,
} from "../mod.ts";
import { recordedNormLimit } from "../lib/activations/mod.ts";
import type { Selection } from "../lib/training/mod.ts";
import { describeLimit, givenNormLimit, resolveNormLimit } from "./activation_source.ts";
import { saePath } from "./check_inputs.ts";
import { type Command, type Session, UsageError } from "./command.ts";
import { evaluationProgress, evaluationTable, shortEvaluation } from "./describe.ts";
import { findNamedModel, openCommandDevice, openModel } from "./open.ts";
import { type Arguments, checkOptions, helpOf, type OptionTable, shared } from "./options.ts";
import { downloadProgress } from "./output.ts";

const OPTIONS: OptionTable = [
  ["Options", [
    shared("text", undefined, { required: true }),
    shared("field"),
    { name: "rows", value: "N", help: "most token rows to measure on (default 64)", least: 1 },
    shared("model", "default: the model that the SAE's config names"),
    shared("hook", "default: the hook that the SAE's config names"),
    shared("context", "tokens per row (default: the SAE's own context size)"),
    shared("include-bos", "measure on the BOS position too"),
    shared(
      "max-norm-multiple",
      "leaves out what exceeds N times the median norm, none: nothing (default: as the SAE was trained; else 10, and the median is measured on the text); NMSE and L0 of all stand beside",
    ),
    {
      name: "selection",
      value: "KIND",
      help: "threshold (default: inference, Eq. 8) or batch (as in training, Eq. 7)",
    },
    shared("dtype"),
    shared("revision"),
    shared("cache-dir"),
    shared("device"),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Measures a saved SAE on text: NMSE, L0, dead latents, cross-entropy when spliced in.

Usage
  saewing eval SAE --text FILES [options]

SAE is a folder, a file or a hub id; a run's folder stands for its SAE.`,
  OPTIONS,
  `Examples
  saewing eval runs/demo/sae --text held-out.jsonl
  saewing eval runs/demo/sae --text held-out.jsonl --selection batch --json`,
);

/** `saewing eval`. */
export const evaluate: Command = {
  summary: "measure a saved SAE on text",
  help: HELP,
  options: OPTIONS,
  async run(options, session) {
    const [path] = options.positional;
    if (!path) throw new UsageError("the SAE is missing");
    checkOptions(options, OPTIONS, 1);
    givenNormLimit(options);
    session.leaves({ text: "nothing was measured" });
    await measure(path, options, session);
  },
};

async function measure(
  path: string,
  options: Arguments,
  { io, output, signal }: Session,
): Promise<void> {
  const folder = await saePath(path);
  const sae = await loadSae(folder, {
    cacheDir: options.text("cache-dir"),
    onProgress: downloadProgress(output),
    signal,
  });
  const { metadata } = sae;
  const choice = resolveNormLimit(givenNormLimit(options), recordedNormLimit(sae));
  const named = (name: "model" | "hook"): string => {
    const given = options.text(name);
    if (given !== undefined) return given;
    const value = metadata[name];
    if (typeof value === "string") {
      return name === "model" ? findNamedModel(value, folder) : value;
    }
    throw new UsageError(`${folder} names no ${name}: --${name} is missing`);
  };
  using gpu = await openCommandDevice(options, io);
  await using model = await openModel(options, output, {
    model: named("model"),
    hook: named("hook"),
    signal,
  });
  const trained = typeof metadata.contextSize === "number" ? metadata.contextSize : 128;
  const contextLength = options.number("context") ?? Math.min(trained, model.maxContext);
  const skipPositions = options.flag("include-bos") ? [] : [0];
  const texts = () => readDocuments(options.texts("text"), { field: options.text("field") });
  const normLimit = choice === "none" || choice.medianNorm !== undefined
    ? choice
    : await measureNormLimit(
      orderedActivations(model, texts(), { contextLength, skipPositions, signal }),
      choice.multiple,
    );
  const { evaluation, crossEntropy } = await evaluateOnTexts(
    gpu,
    model,
    sae,
    texts,
    {
      ...{ contextLength, skipPositions, normLimit, signal },
      maxRows: options.number("rows") ?? 64,
      selection: options.text("selection") as Selection | undefined,
      onProgress: evaluationProgress(output),
    },
  );
  output.say(evaluationTable(evaluation, crossEntropy, sae.dictSize));
  if (evaluation.leftOut && normLimit !== "none") {
    output.say(`\nMassive: ${describeLimit(normLimit)}`);
  }
  output.result({
    sae: folder,
    normLimit,
    evaluation: shortEvaluation(evaluation),
    crossEntropy,
  });
}
