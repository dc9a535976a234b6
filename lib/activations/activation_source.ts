import type { Progress } from "../progress.ts";
import type { LanguageModel } from "../language_model/open_language_model.ts";
import type { Matrix } from "../matrix.ts";
import type { TextDocument } from "../language_model/text_pieces.ts";
import { MEDIAN_ROWS, type NormLimit, type NormLimitChoice } from "../sae/norm_limit.ts";
import { measureNormLimit } from "../sae/separate_massive.ts";
import type { ActivationStore } from "./activation_store.ts";
import { orderedActivations } from "./ordered_activations.ts";
import { streamActivations } from "./stream_activations.ts";

/** Options of {@linkcode ActivationSource.batches}. */
export interface SourceOptions {
  /** Rows per batch. */
  batchSize: number;
  /** Number of epochs; may be Infinity. */
  epochs: number;
  /** Seed of the order. */
  seed: number;
  /** Index of the first batch; 0 where the source cannot start later. */
  startBatch: number;
  /** Whether the last rows that do not fill a batch are returned in a smaller one; false if not given. */
  keepLast?: boolean;
  /** Ends the stream early, without an error. */
  signal?: AbortSignal;
}

/** Counts of activations read, and of those excluded as massive. */
export interface LeftOut {
  /** Activations read, excluded ones included. */
  rows: number;
  /** Excluded activations. */
  leftOut: number;
}

/** A source of activations: a model that runs on text, or a store. */
export interface ActivationSource extends AsyncDisposable {
  /** Name of the model. */
  model: string;
  /** The hook. */
  hook: string;
  /** Width d. */
  dModel: number;
  /** Tokens per row of text. */
  contextLength: number;
  /** Whether rows begin with the model's BOS token. */
  prependBos: boolean;
  /** Positions of each row that are skipped. */
  skipPositions: number[];
  /** Whether it can start at any batch. A model that runs on text has to start with the first. */
  startsAnywhere: boolean;
  /** Name of the text. */
  dataset: string;
  /** Which activations are excluded as massive. */
  normLimit: NormLimit | "none";
  /** Counts for a store, or for the last pass over text. */
  leftOut(): LeftOut;
  /** The activations, shuffled. */
  batches(options: SourceOptions): AsyncIterable<Matrix>;
  /** Opens the model, for evaluation. */
  openModel(): Promise<LanguageModel>;
}

/** Options of {@linkcode textSource}. */
export interface TextSourceOptions {
  /** Tokens per row, BOS included (default 128, or what the model takes where that is less). */
  contextLength?: number;
  /** Whether rows begin with the model's BOS token (default true). */
  prependBos?: boolean;
  /** Positions of each row that are skipped (default [0] where that is BOS, else none). */
  skipPositions?: number[];
  /** Activations in the shuffle buffer. */
  bufferRows?: number;
  /** Which activations are massive; a median that is not given is measured on the first 4096. */
  normLimit: NormLimitChoice;
  /** Name of the text, for metadata. */
  dataset: string;
  /** Called while the median is measured, with the activations read of 4096. */
  onProgress?: (progress: Progress) => void;
  /** Stops the measurement of the median. */
  signal?: AbortSignal;
}

/**
 * Activations of a model that runs on text.
 *
 * @param documents Returns the documents from the beginning; called once per epoch.
 * @throws {Error} Text cannot be read.
 */
export async function textSource(
  model: LanguageModel,
  documents: () => AsyncIterable<TextDocument>,
  options: TextSourceOptions,
): Promise<ActivationSource> {
  const { contextLength = Math.min(128, model.maxContext), prependBos = true } = options;
  const { skipPositions = prependBos ? [0] : [] } = options;
  const rows = { contextLength, prependBos, skipPositions };
  const { bufferRows, normLimit: choice, dataset, signal } = options;
  const normLimit = choice === "none" || choice.medianNorm !== undefined
    ? choice
    : await measureNormLimit(
      watched(
        orderedActivations(model, documents(), { ...rows, signal }),
        options.onProgress,
      ),
      { multiple: choice.multiple, signal },
    );
  let read: LeftOut = { rows: 0, leftOut: 0 };
  return {
    model: model.id,
    hook: model.hook,
    dModel: model.dModel,
    ...rows,
    startsAnywhere: false,
    dataset,
    normLimit,
    leftOut: () => read,
    async *batches({ batchSize, epochs, seed, keepLast, signal }) {
      read = { rows: 0, leftOut: 0 };
      for (let epoch = 0; epoch < epochs; epoch++) {
        const stream = streamActivations(model, documents(), {
          ...rows,
          batchSize,
          bufferRows,
          seed: seed + epoch,
          keepLast,
          signal,
          normLimit,
          onActivations({ rows, leftOut }) {
            read = { rows: read.rows + rows, leftOut: read.leftOut + leftOut };
          },
        });
        try {
          yield* stream;
        } catch (error) {
          if (signal?.aborted && error === signal.reason) return;
          throw error;
        }
      }
    },
    openModel: () => Promise.resolve(model),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

async function* watched(
  batches: AsyncIterable<Matrix>,
  onProgress: TextSourceOptions["onProgress"],
): AsyncGenerator<Matrix> {
  let rows = 0;
  for await (const batch of batches) {
    rows += batch.rows;
    const done = Math.min(rows, MEDIAN_ROWS);
    onProgress?.({ phase: "measuring the median norm", done, total: MEDIAN_ROWS });
    yield batch;
  }
}

/**
 * Activations of a store.
 *
 * @param openModel Opens the store's model; called at most once, when it is needed.
 */
export function storeSource(
  store: ActivationStore,
  openModel: () => Promise<LanguageModel>,
): ActivationSource {
  let opened: LanguageModel | undefined;
  return {
    model: store.model,
    hook: store.hook,
    dModel: store.dModel,
    contextLength: store.contextSize,
    prependBos: store.prependBos ?? true,
    skipPositions: [...store.skipPositions],
    startsAnywhere: true,
    dataset: store.dataset ?? store.folder,
    normLimit: store.normLimit,
    leftOut: () => ({ rows: store.rows + store.leftOut, leftOut: store.leftOut }),
    // A training step copies its batch before it returns.
    batches: (how) => store.batches({ ...how, shareBuffer: true }),
    openModel: async () => opened ??= await openModel(),
    [Symbol.asyncDispose]: async () => await opened?.[Symbol.asyncDispose](),
  };
}

/** Metadata of SAEs that are trained on a source. */
export function sourceMetadata(source: ActivationSource): Record<string, unknown> {
  const { model, hook, contextLength: contextSize, prependBos, dataset, normLimit } = source;
  return { model, hook, contextSize, prependBos, dataset, normLimit };
}
