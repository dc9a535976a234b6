import {
  type ActivationStore,
  type LanguageModel,
  type Matrix,
  openActivationStore,
  readDocuments,
  streamActivations,
} from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";
import { openModel } from "./model.ts";

/** How a run takes activations from their source. */
export interface BatchOptions {
  /** Rows of a batch. */
  batchSize: number;
  /** How often everything is read; may be Infinity. */
  epochs: number;
  /** Seed of the order. */
  seed: number;
  /** Number of the first batch; 0 where the source cannot start later. */
  startBatch: number;
  /** Ends the batches early, without an error. */
  signal?: AbortSignal;
}

/** Where a training run's activations come from: a model that runs on text, or a store. */
export interface ActivationSource extends AsyncDisposable {
  /** Name of the model. */
  model: string;
  /** Where in it. */
  hook: string;
  /** Width d. */
  dModel: number;
  /** Tokens of a row of text. */
  contextLength: number;
  /** Positions of each row that are left out. */
  skipPositions: number[];
  /** Whether it can start at any batch. A model that runs on text has to start with the first. */
  startsAnywhere: boolean;
  /** What text it is. */
  dataset: string;
  /** The activations, shuffled. */
  batches(options: BatchOptions): AsyncIterable<Matrix>;
  /** The model, to measure with. */
  openModel(): Promise<LanguageModel>;
}

/** Options that say what a store already knows. */
const MODEL_OPTIONS = ["model", "hook", "text", "context", "buffer"];

/** Checks that options name a store, or else a model, a hook and text. */
export function checkSourceOptions(options: Arguments): void {
  const store = options.text("activations");
  if (store === undefined) {
    for (const name of ["model", "hook", "text"]) {
      if (options.texts(name).length === 0) throw new UsageError(`--${name} is missing`);
    }
    return;
  }
  const given = MODEL_OPTIONS.find((name) => options.texts(name).length > 0) ??
    (options.flag("include-bos") ? "include-bos" : undefined);
  if (given) throw new UsageError(`--${given} does not go with --activations: the store says it`);
}

/** Opens what the options name. */
export async function openActivationSource(options: Arguments): Promise<ActivationSource> {
  const folder = options.text("activations");
  return folder === undefined
    ? textSource(await openModel(options), options)
    : storeSource(await openActivationStore(folder), options);
}

function textSource(model: LanguageModel, options: Arguments): ActivationSource {
  const contextLength = options.number("context") ?? Math.min(128, model.maxContext);
  const skipPositions = options.flag("include-bos") ? [] : [0];
  const texts = options.texts("text");
  return {
    model: model.id,
    hook: model.hook,
    dModel: model.dModel,
    contextLength,
    skipPositions,
    startsAnywhere: false,
    dataset: texts.join(" "),
    async *batches({ batchSize, epochs, seed, signal }) {
      for (let epoch = 0; epoch < epochs; epoch++) {
        const documents = readDocuments(texts, { field: options.text("field") });
        const stream = streamActivations(model, documents, {
          contextLength,
          skipPositions,
          batchSize,
          bufferRows: options.number("buffer"),
          seed: seed + epoch,
          signal,
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

function storeSource(store: ActivationStore, options: Arguments): ActivationSource {
  let opened: LanguageModel | undefined;
  return {
    model: store.model,
    hook: store.hook,
    dModel: store.dModel,
    contextLength: store.contextSize,
    skipPositions: [...store.skipPositions],
    startsAnywhere: true,
    dataset: store.dataset ?? store.folder,
    // A training step copies its batch before it returns.
    batches: (how) => store.batches({ ...how, shareBuffer: true }),
    async openModel() {
      const { model, hook, modelDtype } = store;
      opened ??= await openModel(options, {
        model,
        hook,
        dtype: options.text("dtype") ?? modelDtype,
      });
      return opened;
    },
    [Symbol.asyncDispose]: async () => await opened?.[Symbol.asyncDispose](),
  };
}
