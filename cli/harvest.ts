import { formatSeconds } from "../lib/report/format_number.ts";
import type { Command } from "./command.ts";
import { describeLeftOut } from "./describe.ts";
import { harvestStores } from "./harvest_stores.ts";
import { checkOptions, helpOf, type OptionTable, shared } from "./options.ts";

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
    const { output } = session;
    checkOptions(options, OPTIONS);
    const { stores, first, seconds } = await harvestStores(options, session);
    const dtype = options.text("dtype") ?? "float32";
    for (const { folder, store } of stores) {
      const read = store.rows + store.leftOut;
      const rate = Math.round((read - first) / seconds);
      output.say(
        `${store.rows} activations in ${folder}, ${formatSeconds(seconds)} (${rate} tokens/s)`,
      );
      const left = describeLeftOut(store.normLimit, { rows: read, leftOut: store.leftOut });
      if (left) output.say(left);
    }
    const results = stores.map(({ folder, store }) => {
      const { hook, rows, dModel, normLimit, leftOut } = store;
      return { folder, hook, rows, dModel, normLimit, leftOut };
    });
    output.result(
      results.length === 1
        ? { ...results[0], dtype, first }
        : { folder: options.required("out"), dtype, first, stores: results },
    );
  },
};
