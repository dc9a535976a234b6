import type { LanguageModel } from "../language_model/open_language_model.ts";
import { packTokenRows } from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";
import { harvestActivations } from "./harvest_activations.ts";
import { shuffleRows } from "./shuffle_rows.ts";

/** What {@linkcode streamActivations} needs of a language model. */
export type ActivationModel = Pick<
  LanguageModel,
  "id" | "dModel" | "maxContext" | "bosToken" | "tokenize" | "activations"
>;

/** Options of {@linkcode streamActivations}. */
export interface StreamActivationsOptions {
  /** Tokens of a row, BOS included; the model's longest context, but at most 128, if not given. */
  contextLength?: number;
  /** Token rows of one model call, 16 if not given. */
  rowsPerRun?: number;
  /** Activations of a batch, 2048 if not given. */
  batchSize?: number;
  /**
   * Activations that the shuffle holds back, `64 · batchSize` if not given: 403 MB at d = 768 and
   * the default batch size. It should span many documents.
   */
  bufferRows?: number;
  /** Seed of the order, 0 if not given. */
  seed?: number;
  /** Positions of each row to leave out; [0], which is BOS, if not given. */
  skipPositions?: readonly number[];
  /** Model calls under way at a time, 2 if not given: the model works while the consumer does. */
  prefetch?: number;
  /** Activations after which to stop; without end if not given. */
  maxTokens?: number;
  /** Whether a last batch of fewer rows is given too; false if not given. */
  keepLast?: boolean;
  /** Stops the stream: taking the next batch throws its reason. */
  signal?: AbortSignal;
}

/**
 * Activations of a language model over texts, shuffled, in batches: texts are packed into rows of
 * `contextLength` tokens, run through the model up to its hook, and mixed over a buffer. The same
 * texts, options and seed give the same batches. Nothing runs before the first batch is taken;
 * leaving the loop stops it.
 *
 * @returns Batches [batchSize, d], each in a buffer of its own.
 * @throws {RangeError} An option is out of range.
 * @throws {Error} While batches are taken: the texts do not fill one row or one batch, the model
 * fails, or an activation is not finite.
 *
 * @example
 * ```ts ignore
 * const batches = streamActivations(model, readTexts("corpus.jsonl"), { maxTokens: 1e6, seed: 1 });
 * const { sae } = await trainSae(gpu, batches, { dictSize: 4096, k: 32 });
 * ```
 */
export function streamActivations(
  model: ActivationModel,
  texts: AsyncIterable<string> | Iterable<string>,
  options: StreamActivationsOptions = {},
): AsyncGenerator<Matrix> {
  const { rowsPerRun = 16, batchSize = 2048, seed = 0, prefetch = 2, signal } = options;
  const { maxTokens = Infinity, keepLast = false, skipPositions = [0] } = options;
  const contextLength = options.contextLength ?? Math.min(model.maxContext, 128);
  const bufferRows = options.bufferRows ?? 64 * batchSize;
  const counts = { contextLength, rowsPerRun, batchSize, bufferRows, prefetch };
  for (const [name, count] of Object.entries(counts)) {
    if (!(Number.isSafeInteger(count) && count > 0)) {
      throw new RangeError(`${name} is ${count}, expected a whole number above 0`);
    }
  }
  if (!(maxTokens > 0)) throw new RangeError(`maxTokens is ${maxTokens}, expected above 0`);
  const kept = keptPositions(contextLength, skipPositions);
  const tokenRows = packTokenRows(model, texts, {
    contextLength,
    maxRows: Math.ceil(maxTokens / kept.length),
  });
  const rows = harvestActivations(model, tokenRows, {
    kept,
    rowsPerRun,
    prefetch,
    maxTokens,
    signal,
  });
  return someBatch(shuffleRows(rows, { bufferRows, batchSize, seed, keepLast }), batchSize);
}

function keptPositions(contextLength: number, skipPositions: readonly number[]): number[] {
  const bad = skipPositions.find((p) => !(Number.isInteger(p) && p >= 0 && p < contextLength));
  if (bad !== undefined) {
    throw new RangeError(
      `skipPositions holds ${bad}, expected positions from 0 to ${contextLength - 1}`,
    );
  }
  const kept = Array.from({ length: contextLength }, (_, position) => position)
    .filter((position) => !skipPositions.includes(position));
  if (kept.length === 0) {
    throw new RangeError(`skipPositions names all ${contextLength} positions, none would be kept`);
  }
  return kept;
}

/** A run over no batch at all would end as if all were well. */
async function* someBatch(
  batches: AsyncIterable<Matrix>,
  batchSize: number,
): AsyncGenerator<Matrix> {
  let count = 0;
  for await (const batch of batches) {
    count++;
    yield batch;
  }
  if (count === 0) {
    throw new Error(
      `the texts give fewer activations than one batch of ${batchSize}: lower batchSize, ` +
        `give more texts or set keepLast`,
    );
  }
}
