/**
 * Language models: what a model's file is and where it can be read, rows of tokens, the hub.
 * `openLanguageModel` is at the front door.
 *
 * @module
 */
export type { DownloadProgress } from "./hub_transfer.ts";
export type { Dtype, LanguageModelOptions, Tokenizer } from "./open_language_model.ts";
export { inspectModel, type ModelDescription } from "./inspect_model.ts";
export { packTokenRows, type TokenRowOptions } from "./token_rows.ts";
export type { CachedInstead, HubOptions, Patience } from "./hub_request.ts";
