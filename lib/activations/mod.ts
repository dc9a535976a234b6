/**
 * Options of streams and stores of activations, several hooks at once, labelled texts. `readTexts`,
 * `streamActivations`, `writeActivations` and `openActivationStore` are exported by `@saewing/saewing`.
 *
 * @module
 */
export type { ReadTextsOptions } from "./read_texts.ts";
export type { ShuffleRowsOptions } from "./shuffle_rows.ts";
export type { StreamActivationsOptions } from "./stream_activations.ts";
export type {
  ActivationModel,
  ActivationShare,
  OrderedActivationsOptions,
} from "./ordered_activations.ts";
export { type HooksModel, orderedHooks } from "./ordered_hooks.ts";
export type { OpenStoreOptions, StoreBatchesOptions } from "./activation_store.ts";
export type { StoreSource } from "./store_header.ts";
export type { StoreDtype } from "./stored_numbers.ts";
export type { WriteActivationsOptions, WriteProgress } from "./write_activations.ts";
export {
  writeStoreParts,
  type WriteStorePartsOptions,
  writeStores,
  type WriteStoresOptions,
  type WriteStoresProgress,
} from "./write_stores.ts";
export { mergeStoreParts } from "./store_parts.ts";
export type { StoreHeader, StorePart, StoreShard } from "./store_header.ts";
export type { Part } from "../files/part.ts";
export {
  createTextFingerprint,
  type TextFingerprint,
  type TokenRowsChecksum,
} from "./text_fingerprint.ts";
export { type NormLimitChoice, recordedNormLimit } from "../sae/norm_limit.ts";
export {
  type LabelledTextOptions,
  type LabelledTexts,
  readLabelledTexts,
} from "./read_labelled_texts.ts";
