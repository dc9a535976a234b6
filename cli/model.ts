import { type Dtype, type LanguageModel, openLanguageModel } from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { downloadProgress } from "./download_progress.ts";
import { createOutput } from "./output.ts";

/** Opens the language model that `--model`, `--hook` and the like name, or else what is given. */
export async function openModel(
  options: Arguments,
  { model, hook, dtype = options.text("dtype") }: {
    model?: string;
    hook?: string;
    dtype?: string;
  } = {},
): Promise<LanguageModel> {
  return await openLanguageModel(model ?? options.required("model"), {
    hook: hook ?? options.required("hook"),
    dtype: dtype as Dtype | undefined,
    revision: options.text("revision"),
    cacheDir: options.text("cache-dir"),
    onProgress: downloadProgress(createOutput(options.flag("json"))),
  });
}
