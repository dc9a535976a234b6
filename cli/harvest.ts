import { lockStore } from "../lib/activations/lock_store.ts";
import { createTextFingerprint, type StoreDtype } from "../lib/activations/mod.ts";
import { orderedActivations, writeActivations } from "../mod.ts";
import type { Command } from "./command.ts";
import { describeLeftOut } from "./describe.ts";
import { inputPaths, openModel } from "./open.ts";
import { checkEvalText, documentsOf, givenNormLimit } from "./source.ts";
import { harvestHooks } from "./harvest_hooks.ts";
import { checkOptions, helpOf, type OptionTable, shared } from "./options.ts";

import { formatSeconds } from "../lib/report/format_number.ts";
import { openOutputFolder } from "./output_folder.ts";

const OPTIONS: OptionTable = [
  ["What it reads", [
    shared("model", undefined, { required: true }),
    shared(
      "hook",
      "where in the model; may be repeated: one store per hook, in OUT/HOOK, from one run",
      {
        required: true,
      },
    ),
    shared("text", undefined, { required: true }),
    shared("field"),
    {
      name: "tokens",
      value: "N",
      help: "activations after which to stop (default: where the text ends)",
      least: 1,
    },
    shared("context"),
    shared("include-bos"),
    shared(
      "max-norm-multiple",
      "excludes activations above N times the median norm (default 10, none: no limit), measured on the first 4096 activations",
    ),
    {
      name: "model-dtype",
      value: "NAME",
      help: "weights of the model: fp32 (default), fp16, q8, q4 …",
    },
    shared("model-device"),
    shared("revision"),
    shared("cache-dir"),
  ]],
  ["What it writes", [
    shared("out", "store.json and shards of 64 MiB", { required: true }),
    shared(
      "dtype",
      "float32 (default), float16: half the bytes, rounded to 11 bits, up to 65504; or bfloat16: half the bytes, rounded to 8 bits",
      { choices: ["float32", "float16", "bfloat16"] },
    ),
    shared("seed", "seed of the order within shards (default 0)"),
    shared(
      "overwrite",
      "replaces a store, or another run, that the folder holds; files of others stay",
    ),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Writes a language model's activations to a folder, for \`train --activations\`.

Usage
  saewing harvest --model MODEL --hook HOOK --text FILES --out FOLDER [options]`,
  OPTIONS,
  `Ctrl-C, or any other end, keeps finished shards: the same command continues from there, and the
folder ends with the same bytes.

Examples
  saewing harvest --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre \\
    --text 'corpus/*.txt' --out activations/tiny --tokens 1e6
  saewing harvest --model Xenova/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --out activations/gpt2-8 --dtype float16
  saewing train --activations activations/gpt2-8 --dict-size 24576 --k 32 --epochs 2`,
);

/** `saewing harvest`. */
export const harvest: Command = {
  summary: "write a language model's activations to disk",
  help: HELP,
  options: OPTIONS,
  async run(options, session) {
    const { output, signal, leaves } = session;
    checkOptions(options, OPTIONS);
    const hooks = options.texts("hook");
    if (hooks.length > 1) return await harvestHooks(options, session, hooks);
    const text = options.texts("text");
    const documents = documentsOf(options, "text");
    const dtype = options.text("dtype") ?? "float32";
    const normLimit = givenNormLimit(options);
    const tokens = options.number("tokens");
    const modelDtype = options.text("model-dtype") ?? "fp32";
    const [model, hook] = [options.required("model"), options.required("hook")];
    using out = await openOutputFolder(options.required("out"), {
      command: "harvest",
      options: options.given,
      overwrite: options.flag("overwrite"),
      inputs: inputPaths(options),
      goOn: ({ command, finished }) => command === "harvest" && finished === undefined,
    });
    const folder = out.path;
    await using opened = await openModel(options, session, { model, hook, dtype: modelDtype });
    const contextSize = options.number("context") ?? Math.min(128, opened.maxContext);
    const skipPositions = options.flag("include-bos") ? [] : [0];
    await checkEvalText(options, opened, contextSize, "text");
    output.say(`${opened.id} at ${opened.hook}, d = ${opened.dModel}, ${dtype}, to ${folder}`);

    const fingerprint = createTextFingerprint();
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    let [first, saved] = [0, 0];
    const without = options.flag("overwrite") ? " without --overwrite" : "";
    const keep = (rows: number) => {
      saved = rows;
      leaves({
        text:
          `${folder} keeps ${saved} activations in finished shards, the same command${without} ` +
          `continues from there`,
        data: { folder, rows: saved, first },
      });
    };
    {
      // Library users who write stores hold this lock, not the command's.
      using _lock = await lockStore(folder);
      await out.start(["store.json"]);
    }
    const activations = (firstRow: number) =>
      orderedActivations(opened, documents(), {
        contextLength: contextSize,
        skipPositions,
        maxTokens: tokens,
        firstRow,
        fingerprint,
        signal,
      });
    const store = await writeActivations(
      () => {
        keep(0);
        return activations(0);
      },
      folder,
      {
        startAt(firstRow) {
          first = firstRow;
          keep(firstRow);
          output.say(`continuing after the first ${first} activations`);
          return activations(firstRow);
        },
        ...{ model: opened.id, hook: opened.hook, contextSize, skipPositions, modelDtype },
        dataset: text.join(" "),
        dtype: dtype as StoreDtype,
        seed: options.number("seed"),
        fingerprint,
        overwrite: !out.goesOn,
        normLimit,
        signal,
        onProgress({ done: rows, savedRows, leftOut }) {
          keep(savedRows);
          const rate = Math.round((rows - first) / seconds());
          const amount = `${rows}${tokens ? ` of ${tokens}` : ""} activations`;
          output.progress({ phase: "harvest", done: rows, total: tokens }, {
            details: `${amount}  ${rate} tokens/s`,
            data: { rows, savedRows, leftOut },
          });
        },
      },
    );
    await out.finish();
    const read = store.rows + store.leftOut;
    const rate = Math.round((read - first) / seconds());
    output.say(
      `${store.rows} activations in ${folder}, ${formatSeconds(seconds())} (${rate} tokens/s)`,
    );
    const left = describeLeftOut(store.normLimit, { rows: read, leftOut: store.leftOut });
    if (left) output.say(left);
    const { rows, dModel, leftOut } = store;
    output.result({ folder, rows, dModel, dtype, first, normLimit: store.normLimit, leftOut });
  },
};
