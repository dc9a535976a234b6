/**
 * Language models: description of a model's file and its hooks, rows of tokens, the hub.
 * `openLanguageModel` is exported by `@saewing/saewing`.
 *
 * @module
 */
export type { Dtype, LanguageModelOptions, Tokenizer } from "./open_language_model.ts";
export { inspectModel, type ModelDescription } from "./inspect_model.ts";
export type { TextDocument } from "./text_pieces.ts";
export { packTokenRows, type TokenRowOptions, type TokenRows } from "./token_rows.ts";
export type { CachedInstead, HubLimits, HubOptions } from "./hub_request.ts";
export type { ModelDevice, ModelPlace } from "./choose_place.ts";
