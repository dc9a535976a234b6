import {
  type ActivationStore,
  type LanguageModel,
  type Matrix,
  measureNormLimit,
  type NormLimit,
  openActivationStore,
  orderedActivations,
  readDocuments,
  streamActivations,
} from "../mod.ts";
import type { NormLimitChoice } from "../lib/activations/mod.ts";
import { UsageError } from "./command.ts";
import { findNamedModel, openModel } from "./open.ts";
import type { Arguments } from "./options.ts";
import type { Output } from "./output.ts";

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
  /** Which activations are left out as massive. */
  normLimit: NormLimit | "none";
  /** What was left out of the activations of a store, or of those read last from text. */
  leftOut(): LeftOut;
  /** The activations, shuffled. */
  batches(options: BatchOptions): AsyncIterable<Matrix>;
  /** The model, to measure with. */
  openModel(): Promise<LanguageModel>;
}

/** What SAEs that are trained on it say of it. */
export function sourceMetadata(source: ActivationSource): Record<string, unknown> {
  const { model, hook, contextLength: contextSize, dataset, normLimit } = source;
  return { model, hook, contextSize, prependBos: true, dataset, normLimit };
}

/** Options that say what a store already knows. */
const MODEL_OPTIONS = ["model", "hook", "text", "context", "buffer"];

/** Checks that options name a store, or else a model, a hook and text, and a limit that is one. */
export function checkSourceOptions(options: Arguments): void {
  givenNormLimit(options);
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

/**
 * Opens what the options name.
 *
 * @param recorded What an SAE or a run that goes on leaves out as massive. Where neither it nor
 * `--max-norm-multiple` nor the store says it, a median norm is measured.
 * @param signal Ends that.
 */
export async function openActivationSource(
  options: Arguments,
  output: Output,
  recorded?: NormLimit | "none",
  signal?: AbortSignal,
): Promise<ActivationSource> {
  const folder = options.text("activations");
  if (folder !== undefined) {
    return storeSource(await openStore(folder, options, recorded), options, output, signal);
  }
  const model = await openModel(options, output, { signal });
  try {
    return await textSource(model, options, recorded, signal);
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

/** A store that was written without massive activations says itself which they are. */
async function openStore(
  folder: string,
  options: Arguments,
  recorded: NormLimit | "none" | undefined,
): Promise<ActivationStore> {
  const given = givenNormLimit(options);
  const store = await openActivationStore(folder);
  if (store.normLimit !== "none" && given === undefined) return store;
  const normLimit = store.normLimit === "none" ? resolveNormLimit(given, recorded) : given;
  return await openActivationStore(folder, { normLimit });
}

async function textSource(
  model: LanguageModel,
  options: Arguments,
  recorded: NormLimit | "none" | undefined,
  signal: AbortSignal | undefined,
): Promise<ActivationSource> {
  const contextLength = options.number("context") ?? Math.min(128, model.maxContext);
  const skipPositions = options.flag("include-bos") ? [] : [0];
  const texts = options.texts("text");
  const documents = () => readDocuments(texts, { field: options.text("field") });
  const choice = resolveNormLimit(givenNormLimit(options), recorded);
  const normLimit = choice === "none" || choice.medianNorm !== undefined
    ? choice
    : await measureNormLimit(
      orderedActivations(model, documents(), { contextLength, skipPositions, signal }),
      choice.multiple,
    );
  let read: LeftOut = { rows: 0, leftOut: 0 };
  return {
    model: model.id,
    hook: model.hook,
    dModel: model.dModel,
    contextLength,
    skipPositions,
    startsAnywhere: false,
    dataset: texts.join(" "),
    normLimit,
    leftOut: () => read,
    async *batches({ batchSize, epochs, seed, signal }) {
      read = { rows: 0, leftOut: 0 };
      for (let epoch = 0; epoch < epochs; epoch++) {
        const stream = streamActivations(model, documents(), {
          contextLength,
          skipPositions,
          batchSize,
          bufferRows: options.number("buffer"),
          seed: seed + epoch,
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

function storeSource(
  store: ActivationStore,
  options: Arguments,
  output: Output,
  signal: AbortSignal | undefined,
): ActivationSource {
  let opened: LanguageModel | undefined;
  return {
    model: store.model,
    hook: store.hook,
    dModel: store.dModel,
    contextLength: store.contextSize,
    skipPositions: [...store.skipPositions],
    startsAnywhere: true,
    dataset: store.dataset ?? store.folder,
    normLimit: store.normLimit,
    leftOut: () => ({ rows: store.rows + store.leftOut, leftOut: store.leftOut }),
    // A training step copies its batch before it returns.
    batches: (how) => store.batches({ ...how, shareBuffer: true }),
    async openModel() {
      const { model, hook, modelDtype } = store;
      opened ??= await openModel(options, output, {
        model: findNamedModel(model, store.folder),
        hook,
        dtype: options.text("dtype") ?? modelDtype,
        signal,
      });
      return opened;
    },
    [Symbol.asyncDispose]: async () => await opened?.[Symbol.asyncDispose](),
  };
}

/** What was left out of activations as massive. */
export interface LeftOut {
  /** Activations that were read, those left out included. */
  rows: number;
  /** Those that were left out. */
  leftOut: number;
}

/**
 * What `--max-norm-multiple` says is massive; undefined where it is not given.
 *
 * @throws {UsageError} It is neither a number from 1 on nor "none".
 */
export function givenNormLimit(
  options: Arguments,
): { multiple: number; medianNorm?: undefined } | "none" | undefined {
  const text = options.text("max-norm-multiple");
  if (text === undefined || text === "none") return text;
  const multiple = Number(text);
  if (!(Number.isFinite(multiple) && multiple >= 1)) {
    throw new UsageError(`--max-norm-multiple is ${text}, expected a number from 1 on, or none`);
  }
  return { multiple };
}

/** What is massive: as it is given, with the median of what is recorded; else as recorded; else 10. */
export function resolveNormLimit(
  given: ReturnType<typeof givenNormLimit>,
  recorded: NormLimit | "none" | undefined,
): NormLimitChoice {
  if (given === undefined) return recorded ?? { multiple: 10 };
  if (given === "none" || recorded === undefined || recorded === "none") return given;
  return { ...recorded, multiple: given.multiple };
}

/**
 * Checks that what goes on leaves out what it left out before.
 *
 * @param where What goes on, and how to start anew.
 * @throws {UsageError} `--max-norm-multiple` says something else.
 */
export function checkSameLimit(
  options: Arguments,
  recorded: NormLimit | "none",
  where: string,
): void {
  const given = givenNormLimit(options);
  const multiple = (limit: { multiple: number } | "none") =>
    limit === "none" ? "none" : String(limit.multiple);
  if (given === undefined || multiple(given) === multiple(recorded)) return;
  throw new UsageError(
    `--max-norm-multiple is ${multiple(given)}, it was ${multiple(recorded)} in ${where}`,
  );
}

/** A limit in words: "above 10 times the median norm, 152.3". */
export function describeLimit({ multiple, medianNorm }: NormLimit): string {
  return `above ${multiple} times the median norm, ${Number(medianNorm.toPrecision(4))}`;
}

/** What was left out, in words; undefined where nothing was. */
export function describeLeftOut(
  limit: NormLimit | "none",
  { rows, leftOut }: LeftOut,
): string | undefined {
  if (limit === "none" || leftOut === 0) return undefined;
  return `${leftOut} of ${rows} activations left out as massive (${describeLimit(limit)})`;
}
