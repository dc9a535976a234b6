import { type Dtype, type LanguageModel, openLanguageModel } from "../mod.ts";
import { ModelMissingError } from "../lib/language_model/model_files.ts";
import type { Arguments } from "./arguments.ts";
import { createOutput } from "./output.ts";
import { downloadProgress } from "./progress.ts";

/** Opens the language model that `--model`, `--hook` and the like name, or else what is given. */
export async function openModel(
  options: Arguments,
  { model, hook, dtype = options.text("dtype"), signal }: {
    model?: string;
    hook?: string;
    dtype?: string;
    signal?: AbortSignal;
  } = {},
): Promise<LanguageModel> {
  const id = model ?? options.required("model");
  try {
    return await openLanguageModel(id, {
      hook: hook ?? options.required("hook"),
      dtype: dtype as Dtype | undefined,
      revision: options.text("revision"),
      cacheDir: options.text("cache-dir"),
      signal,
      onProgress: downloadProgress(createOutput(options.flag("json"))),
    });
  } catch (error) {
    if (!(error instanceof ModelMissingError)) throw error;
    throw new Error(`${error.message}. --model says where it is: a folder, or a hub id`, {
      cause: error,
    });
  }
}
