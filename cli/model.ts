import { type Dtype, type LanguageModel, openLanguageModel } from "../mod.ts";
import type { Arguments } from "./arguments.ts";

/** Opens the language model that `--model`, `--hook` and the like name. */
export async function openModel(
  options: Arguments,
  { model = options.required("model"), hook = options.required("hook") } = {},
): Promise<LanguageModel> {
  return await openLanguageModel(model, {
    hook,
    dtype: options.text("dtype") as Dtype | undefined,
    revision: options.text("revision"),
    cacheDir: options.text("cache-dir"),
  });
}
