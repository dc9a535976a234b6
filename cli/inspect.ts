import { type Dtype, inspectModel } from "../lib/language_model/mod.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./io.ts";
import { helpOf, type Options, shared } from "./options.ts";
import { formatTable, hubOptions } from "./output.ts";

const OPTIONS: Options = [
  ["Options", [
    shared("dtype", "which of the model's files: fp32 (default), fp16, q8, q4, q4f16, …"),
    {
      name: "file",
      value: "NAME",
      help: "the file in onnx/ without the dtype's suffix and .onnx (default model)",
    },
    shared("revision"),
    shared("cache-dir"),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Shows what a language model's ONNX file is and which hooks it has.

Usage
  saewing inspect MODEL [options]

MODEL is a folder (config.json, onnx/model.onnx), an .onnx file in one, or a Hugging Face hub id,
which is downloaded once.`,
  OPTIONS,
  `HF_TOKEN opens repositories that are not open to everyone; HF_HUB_OFFLINE=1 downloads nothing.

Examples
  saewing inspect examples/tiny-gpt2
  saewing inspect onnx-community/gpt2-ONNX --json`,
);

/** `saewing inspect`. */
export const inspect: Command = {
  summary: "show a language model's hooks and their shapes",
  help: HELP,
  options: OPTIONS,
  async run(options, { output }) {
    const [id, ...more] = options.positional;
    if (id === undefined) throw new UsageError("which model? A folder or hub id is missing");
    if (more.length > 0) throw new UsageError(`one model is inspected at a time, not ${more[0]}`);
    const model = await inspectModel(id, {
      dtype: options.text("dtype") as Dtype | undefined,
      modelFile: options.text("file"),
      revision: options.text("revision"),
      cacheDir: options.text("cache-dir"),
      ...hubOptions(output),
    });
    output.say(formatTable([
      ["file", model.file],
      ["family", model.family],
      ["made by", model.exporter],
      ["operator set", `${model.opset}`],
      ["weights", model.weightTypes.join(", ")],
      ["layers", `${model.layers}`],
      ["width", `${model.dModel}`],
      ["vocabulary", `${model.vocabSize}`],
      ["longest context", `${model.maxContext}`],
    ]));
    output.say(`\nHooks, each [rows, positions, ${model.dModel}] where no other width stands`);
    const width = Math.max(...model.hooks.map(({ hook }) => hook.length));
    for (const { hook, alias, tensor, shape } of model.hooks) {
      const own = shape[2] === model.dModel ? "" : `  [${shape.join(", ")}]`;
      const also = own + (alias === undefined ? "" : `  (= ${alias})`);
      output.say(`  ${hook.padEnd(width)}  ${tensor}${also}`);
    }
    if (model.note !== undefined) output.say(`\n${model.note}`);
    output.result({ ...model });
  },
};
