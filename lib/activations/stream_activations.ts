import type { Texts } from "../language_model/text_pieces.ts";
import type { Matrix } from "../matrix.ts";
import {
  checkNormLimit,
  DEFAULT_NORM_LIMIT,
  type NormLimit,
  type NormLimitChoice,
  withoutRows,
} from "../sae/norm_limit.ts";
import { separateMassive } from "../sae/separate_massive.ts";
import {
  type ActivationModel,
  orderedActivations,
  type OrderedActivationsOptions,
} from "./ordered_activations.ts";
import { shuffleRows } from "./shuffle_rows.ts";

/** Options of {@linkcode streamActivations}. */
export interface StreamActivationsOptions
  extends Omit<OrderedActivationsOptions, "firstRow" | "fingerprint"> {
  /** Activations per batch, 2048 if not given. */
  batchSize?: number;
  /**
   * Activations in the shuffle buffer, `64 · batchSize` if not given: 403 MB at d = 768 and the default
   * batch size. It should contain many documents.
   */
  bufferRows?: number;
  /** Seed of the order, 0 if not given. */
  seed?: number;
  /** Whether the last rows that do not fill a batch are returned in a smaller one; false if not given. */
  keepLast?: boolean;
  /**
   * Activations that are excluded as massive before the shuffle: by default those above 10 times the
   * median norm of the first 4,096 activations, which are buffered first.
   */
  normLimit?: NormLimitChoice;
  /** Called with the number of activations of each model call, and of those excluded as massive. */
  onActivations?: (
    activations: { rows: number; leftOut: number; limit: NormLimit | "none" },
  ) => void;
}

/**
 * Activations of a language model over texts, shuffled, in batches: texts are packed into rows of
 * `contextLength` tokens, run through the model up to its hook, and shuffled with a buffer. The same
 * texts, options and seed give the same batches. The model runs from when the first batch is read until
 * the consumer's loop ends.
 *
 * @returns Batches [batchSize, d], each in its own buffer.
 * @throws {RangeError} An option is out of range.
 * @throws {Error} While batches are read: the texts do not fill one row or one batch, the model fails,
 * or an activation is not finite.
 *
 * @example
 * ```ts ignore
 * const batches = streamActivations(model, readTexts("corpus.jsonl"), { maxTokens: 1e6, seed: 1 });
 * const { sae } = await trainSae(device, batches, { dictSize: 4096, k: 32 });
 * ```
 */
export function streamActivations(
  model: ActivationModel,
  texts: Texts,
  options: StreamActivationsOptions = {},
): AsyncGenerator<Matrix> {
  const { batchSize = 2048, bufferRows = 64 * batchSize, seed = 0, keepLast, ...ordered } = options;
  const { normLimit = DEFAULT_NORM_LIMIT } = options;
  checkNormLimit(normLimit);
  const rows = orderedActivations(model, texts, ordered);
  const ordinary = leaveOutMassive(rows, { ...options, normLimit });
  return someBatch(shuffleRows(ordinary, { bufferRows, batchSize, seed, keepLast }), batchSize);
}

async function* leaveOutMassive(
  batches: AsyncIterable<Matrix>,
  { normLimit, onActivations }: StreamActivationsOptions & {
    normLimit: NormLimitChoice;
  },
): AsyncGenerator<Matrix> {
  let limit: NormLimit | "none" = "none";
  for await (const { all, massive } of separateMassive(batches, normLimit, (now) => limit = now)) {
    onActivations?.({ rows: all.rows, leftOut: massive.length, limit });
    yield withoutRows(all, massive);
  }
}

/** Throws if there is no batch: training on none would end without an error. */
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
      `the texts have fewer activations than one batch of ${batchSize}: lower batchSize, ` +
        `give more texts or set keepLast`,
    );
  }
}
