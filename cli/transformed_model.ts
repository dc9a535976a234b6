import {
  activationTransform,
  type LanguageModel,
  type ReadableModel,
  type Sae,
  transformActivations,
} from "../mod.ts";

/** A language model whose activations are what an SAE reads: transformed, where it wants that. */
export function transformedModel(model: LanguageModel, sae: Sae): ReadableModel {
  const transform = activationTransform(sae);
  return {
    dModel: model.dModel,
    tokenText: (token) => model.tokenText(token),
    activations: async (tokens, rows) =>
      transformActivations(await model.activations(tokens, rows), transform),
  };
}
