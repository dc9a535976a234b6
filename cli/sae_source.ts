import type { Sae, SaeCollection } from "../mod.ts";
import type { Arguments, GivenOptions } from "./arguments.ts";
import { findNamedModel } from "./find_model.ts";

/**
 * Model, hook and context as an SAE's config names them, or the collection that it is from: options
 * that hold where the arguments do not give them. None with a store, which says them itself.
 *
 * @param folder The SAE's: a model's path may be relative to it.
 */
export function saeSource(
  given: Arguments,
  { metadata }: Sae,
  folder: string,
  collection?: SaeCollection,
): GivenOptions {
  if (given.text("activations") !== undefined) return {};
  const { contextSize } = metadata;
  const { model = metadata.model, hook = metadata.hook } = collection ?? {};
  return {
    ...(typeof model === "string" ? { model: [findNamedModel(model, folder)] } : {}),
    ...(typeof hook === "string" ? { hook: [hook] } : {}),
    ...(typeof contextSize === "number" ? { context: [String(contextSize)] } : {}),
  };
}
