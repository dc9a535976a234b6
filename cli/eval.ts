import { findNamedModel } from "../lib/formats/find_named_model.ts";
import { recordedNormLimit } from "../lib/sae/norm_limit.ts";
import type { Selection } from "../lib/training/mod.ts";
import { evaluateOnTexts } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { describeLimit, evaluationProgress, evaluationTable, shortEvaluation } from "./describe.ts";
import { openCommandDevice, openSae, saePath } from "./open.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, group, helpOf, type Options, shared } from "./options.ts";
import { documentsOf, givenNormLimit, openTextSource } from "./source.ts";

const OPTIONS: Options = [
  ["Options", [
    shared("text", undefined, { required: true }),
    shared("field"),
    {
      name: "rows",
      value: "N",
      help: "largest number of token rows to measure on (default 64)",
      least: 1,
    },
    shared("model", "default: the model that the SAE's config names"),
    shared("hook", "default: the hook that the SAE's config names"),
    shared("context", "tokens per row (default: the SAE's own context size)"),
    shared("include-bos", "also measures the BOS position"),
    shared("prepend-bos"),
    shared(
      "max-norm-multiple",
      "excludes activations above N times the median norm; none: no limit (default: as the SAE was trained; else 10, and the median is measured on the text); NMSE and L0 of all activations are reported too",
    ),
    {
      name: "selection",
      value: "KIND",
      help: "threshold (default: inference, Eq. 8) or batch (as in training, Eq. 7)",
    },
    shared("input-transform", undefined, { choices: ["none", "center"] }),
    shared("input-scale"),
    ...group("loading"),
    ...group("last"),
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

async function measure(path: string, options: Arguments, session: Session): Promise<void> {
  const { io, output, signal } = session;
  const folder = await saePath(path);
  const sae = await openSae(folder, options, session);
  const { metadata } = sae;
  const named = (name: "model" | "hook"): string => {
    const given = options.text(name);
    if (given !== undefined) return given;
    const value = metadata[name];
    if (typeof value === "string") {
      return name === "model" ? findNamedModel(value, folder) : value;
    }
    throw new UsageError(`${folder} names no ${name}: --${name} is missing`);
  };
  const asked = {
    ...{ model: named("model"), hook: named("hook") },
    context: typeof metadata.contextSize === "number" ? metadata.contextSize : undefined,
    sae,
  };
  using device = await openCommandDevice(options, io);
  await using source = await openTextSource(options, session, recordedNormLimit(sae), asked);
  const { contextLength, prependBos, skipPositions, normLimit } = source;
  const { evaluation, crossEntropy } = await evaluateOnTexts(
    device,
    await source.openModel(),
    sae,
    documentsOf(options, "text"),
    {
      ...{ contextLength, prependBos, skipPositions, normLimit, signal },
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
