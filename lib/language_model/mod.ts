/**
 * Language models: what a model's file is and where it can be read, rows of tokens, the hub.
 * `openLanguageModel` is at the front door.
 *
 * @module
 */
export type { Dtype, LanguageModelOptions, Tokenizer } from "./open_language_model.ts";
export { inspectModel, type ModelDescription } from "./inspect_model.ts";
export type { TextDocument } from "./text_pieces.ts";
export { packTokenRows, type TokenRowOptions, type TokenRows } from "./token_rows.ts";
export type { CachedInstead, HubOptions, Patience } from "./hub_request.ts";
export type { ModelDevice, ModelPlace } from "./choose_place.ts";
