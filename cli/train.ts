import {
  type Architecture,
  collectTopExamples,
  type Gpu,
  loadSae,
  readTexts,
  type Sae,
  saveSae,
  type StepRecord,
  trainingReport,
  trainSae,
} from "../mod.ts";
import { join } from "@std/path";
import {
  type ActivationSource,
  checkSourceOptions,
  openActivationSource,
} from "./activation_source.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { evaluateOnTexts, evaluationTable, summary } from "./evaluate_text.ts";
import { openCommandGpu } from "./gpu.ts";
import { createOutput, formatSeconds, type Output } from "./output.ts";
import { openRunFolder, type RunFolder } from "./run_folder.ts";

const HELP = `Trains an SAE on a language model's activations.

Usage
  saewing train --model MODEL --hook HOOK --text FILES --dict-size M --k K [options]
  saewing train --activations FOLDER --dict-size M --k K [options]

What it reads
  --activations FOLDER   what \`saewing harvest\` wrote, in place of model, hook and text
  --model ID          folder with config.json, tokenizer.json and onnx/, or a Hugging Face id
  --hook NAME         where in the model, such as blocks.8.hook_resid_pre
  --text FILES        .txt, .jsonl, .csv (also .gz): file, folder or glob; may be repeated
  --field NAME        field or column that holds the text (default: text)
  --context N         tokens a row, BOS included (default: 128 or what the model takes)
  --include-bos       train and measure on the BOS position too
  --dtype NAME        weights of the model: fp32 (default), fp16, q8, q4 …
  --revision NAME, --cache-dir FOLDER   of a model on the hub

What it trains
  --architecture NAME batchtopk (default)
  --dict-size M       number of latents
  --k K               active latents a sample, on average
  --epochs N          how often everything is read (default 1, or as often as --steps needs)
  --steps N           default: until the epochs end
  --batch-size N      activations a step (default 2048)
  --buffer N          activations that the shuffle holds back (default: 64 batches)
  --lr X              Adam's learning rate (default 3e-4)
  --aux-coefficient X, --aux-k N, --dead-after N   the auxiliary loss (1/32, 512, 5)
  --threshold-batches N   batches averaged into the inference threshold (default 100)
  --init-bdec KIND    decoder bias starts at zero (default) or mean (of the first batch)
  --initial FOLDER    an SAE to start from
  --seed N            of weights and shuffling (default 0)

What it writes
  --out FOLDER        run folder (default runs/<date>): sae/, config.json, metrics.jsonl,
                      metrics.csv, and with --eval-text evaluation.json and report.html
  --eval-text FILES   held-out text to measure on; may be repeated
  --eval-rows N       most rows of it (default 64)
  --adapter KIND      auto (default), hardware or software; also SAEWING_ADAPTER
  --json              one JSON object a line instead of text

Examples
  saewing train --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre \\
    --text 'corpus/*.txt' --dict-size 1024 --k 16 --steps 1000 --lr 1e-3
  saewing train --model Xenova/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --dict-size 24576 --k 32 --batch-size 4096 --out runs/gpt2-24k --eval-text held-out.jsonl
  saewing train --activations activations/gpt2-8 --dict-size 24576 --k 32 --epochs 2
`;

const VALUES = [
  "activations",
  "model",
  "hook",
  "text",
  "field",
  "context",
  "dtype",
  "revision",
  "cache-dir",
  "architecture",
  "dict-size",
  "k",
  "epochs",
  "steps",
  "batch-size",
  "buffer",
  "lr",
  "aux-coefficient",
  "aux-k",
  "dead-after",
  "threshold-batches",
  "init-bdec",
  "initial",
  "seed",
  "out",
  "eval-text",
  "eval-rows",
  "adapter",
];

/** `saewing train`. */
export const train: Command = {
  summary: "train an SAE on a language model's activations",
  help: HELP,
  async run(args) {
    const options = parseArguments(args, { values: VALUES, flags: ["include-bos", "json"] });
    if (options.positional.length > 0) {
      throw new UsageError(`unexpected argument ${options.positional[0]}`);
    }
    checkSourceOptions(options);
    const epochs = options.number("epochs");
    if (epochs !== undefined && !(Number.isSafeInteger(epochs) && epochs > 0)) {
      throw new UsageError(`--epochs is ${epochs}, expected a whole number above 0`);
    }
    const initialFolder = options.text("initial");
    if (!initialFolder) { for (const name of ["dict-size", "k"]) options.required(name); }
    const output = createOutput(options.flag("json"));
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    const run = await openRunFolder(options.text("out") ?? join("runs", stamp));
    const initial = initialFolder ? await loadSae(initialFolder) : undefined;
    using gpu = await openCommandGpu(options.text("adapter"));
    await using source = await openActivationSource(options);
    output.say(`${source.model} at ${source.hook}, d = ${source.dModel}, on ${gpu.name}`);
    return await trainAndMeasure(gpu, source, initial, options, run, output);
  },
};

async function trainAndMeasure(
  gpu: Gpu,
  source: ActivationSource,
  initial: Sae | undefined,
  options: Arguments,
  run: RunFolder,
  output: Output,
): Promise<number> {
  const { contextLength, skipPositions } = source;
  const steps = options.number("steps");
  const seed = options.number("seed") ?? 0;
  const batchSize = options.number("batch-size") ?? 2048;
  const settings = {
    architecture: (options.text("architecture") ?? "batchtopk") as Architecture,
    dictSize: options.number("dict-size"),
    k: options.number("k"),
    learningRate: options.number("lr"),
    steps,
    auxCoefficient: options.number("aux-coefficient"),
    auxK: options.number("aux-k"),
    deadAfter: options.number("dead-after"),
    thresholdBatches: options.number("threshold-batches"),
    bDec: options.text("init-bdec") as "zero" | "mean" | undefined,
    seed,
  };
  const metadata = {
    model: source.model,
    hook: source.hook,
    contextSize: contextLength,
    prependBos: true,
    dataset: source.dataset,
  };
  // Without a number of steps everything is read once, else as often as the steps need.
  const epochs = options.number("epochs") ?? (steps === undefined ? 1 : Infinity);
  await run.writeJson("config.json", {
    ...settings,
    batchSize,
    epochs: options.number("epochs"),
    activations: options.text("activations"),
    ...metadata,
    skipPositions,
  });

  const controller = new AbortController();
  const interrupt = () => controller.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const batches = source.batches({ batchSize, epochs, seed });
    const dictSize = settings.dictSize ?? initial!.dictSize;
    const started = performance.now();
    const { sae, history } = await trainSae(gpu, batches, {
      ...settings,
      initial,
      metadata,
      signal: controller.signal,
      onProgress(records) {
        run.addMetrics(records);
        const last = records[records.length - 1];
        output.progress(describeProgress(last, steps, started, dictSize), { ...last });
      },
    });
    const trainSeconds = (performance.now() - started) / 1000;
    const folder = join(run.path, "sae");
    await saveSae(sae, folder);
    await run.writeMetricsTable(history);
    const taken = history.length;
    output.say(
      `${taken} steps in ${formatSeconds(trainSeconds)} ` +
        `(${Math.round(history.at(-1)!.samples / trainSeconds)} tokens/s); SAE saved in ${folder}`,
    );
    const result = { folder: run.path, sae: folder, steps: taken, last: history.at(-1) };
    if (controller.signal.aborted) {
      output.say(`interrupted: \`--initial ${folder}\` starts from what was learned so far`);
      output.result({ ...result, interrupted: true });
      return EXIT.interrupted;
    }
    if (options.texts("eval-text").length === 0) {
      output.result(result);
      return EXIT.ok;
    }
    const evaluated = performance.now();
    const model = await source.openModel();
    const { tokenRows, evaluation, crossEntropy } = await evaluateOnTexts(
      gpu,
      model,
      sae,
      () => readTexts(options.texts("eval-text"), { field: options.text("field") }),
      { contextLength, skipPositions, maxRows: options.number("eval-rows") ?? 64 },
      output,
    );
    await run.writeJson("evaluation.json", { ...evaluation, crossEntropy });
    const latents = await collectTopExamples(gpu, model, sae, tokenRows, {
      skipPositions,
      density: evaluation.density,
    });
    const report = trainingReport({
      title: `${model.id} · ${model.hook}`,
      date: new Date().toISOString().slice(0, 10),
      adapter: gpu.name,
      model: { id: model.id, hook: model.hook, layers: model.layers },
      sae: { ...sae, threshold: sae.threshold?.[0] },
      settings: { ...(sae.metadata.training as Record<string, unknown>), batchSize, contextLength },
      history,
      evaluation,
      crossEntropy,
      latents,
      seconds: { training: trainSeconds, evaluation: (performance.now() - evaluated) / 1000 },
    });
    await run.writeText("report.html", report);
    output.say(evaluationTable(evaluation, crossEntropy, sae.dictSize));
    output.say(`report: ${join(run.path, "report.html")}`);
    output.result({ ...result, evaluation: summary(evaluation), crossEntropy });
    return EXIT.ok;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

function describeProgress(
  last: StepRecord,
  steps: number | undefined,
  started: number,
  dictSize: number,
): string {
  const seconds = (performance.now() - started) / 1000;
  const rate = Math.round(last.samples / seconds);
  const left = steps ? formatSeconds(seconds / last.step * (steps - last.step)) : undefined;
  return [
    `step ${last.step}${steps ? ` of ${steps}` : ""}`,
    `loss ${last.loss.toPrecision(4)}`,
    `L0 ${last.l0.toFixed(1)}`,
    `dead ${(100 * last.deadLatents / dictSize).toFixed(1)} %`,
    `${rate} tokens/s`,
    ...(left ? [`${left} left`] : []),
  ].join("  ");
}
