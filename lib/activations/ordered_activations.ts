import type { LanguageModel } from "../language_model/open_language_model.ts";
import { defaultRowsPerRun, packTokenRows } from "../language_model/token_rows.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import type { Matrix } from "../matrix.ts";
import { checkWhole, isWhole } from "../whole_number.ts";
import { harvestActivations, type HarvestedRows } from "./harvest_activations.ts";
import type { TextFingerprint } from "./text_fingerprint.ts";

/** The part of a language model that {@linkcode orderedActivations} uses. */
export type ActivationModel = Pick<
  LanguageModel,
  "id" | "dModel" | "maxContext" | "bosToken" | "tokenize" | "activations"
>;

/**
 * A share of the activations of texts: shares take turns of `rows` activations, from the first on. All of a share's
 * texts are read and tokenized by each, but the model runs only on its own.
 */
export interface ActivationShare {
  /** Its number, from 1. */
  index: number;
  /** How many shares there are. */
  count: number;
  /** Activations of a turn. */
  rows: number;
}

/** Options of {@linkcode orderedActivations}. */
export interface OrderedActivationsOptions {
  /** Tokens per row, BOS included; if not given 128, or the model's longest context if shorter. */
  contextLength?: number;
  /** Whether rows begin with the model's BOS token; true if not given. */
  prependBos?: boolean;
  /** Token rows per model call; if not given, those of 2,048 tokens. */
  rowsPerRun?: number;
  /** Positions of each row to skip; if not given [0] where that is BOS, else none. */
  skipPositions?: readonly number[];
  /** Concurrent model calls, 2 if not given: the model runs while the consumer works. */
  prefetch?: number;
  /** Largest number of activations, skipped ones included; unlimited if not given. */
  maxTokens?: number;
  /**
   * Activations (of the share) to skip at the beginning, 0 if not given. Their texts are read and tokenized, but
   * the model does not run on them; later activations have the same bits as without skipping.
   */
  firstRow?: number;
  /** One of several shares that are disjoint and together are all activations; all if not given. */
  share?: ActivationShare;
  /** Computes a checksum of the token rows, skipped ones included, and compares it with the expected one. */
  fingerprint?: TextFingerprint;
  /** Aborts the stream: reading the next matrix throws the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Activations of a language model over texts, in the order of the texts, which are packed into rows of
 * `contextLength` tokens. The model runs up to its hook, from when the first matrix is read until the
 * consumer's loop ends.
 *
 * @returns Matrices [any, d], one per model call.
 * @throws {RangeError} An option is out of range.
 * @throws {Error} While matrices are read: the texts do not fill one row, the model fails, or an
 * activation is not finite.
 */
export function orderedActivations(
  model: ActivationModel,
  texts: Texts,
  options: OrderedActivationsOptions = {},
): AsyncGenerator<Matrix> {
  const { prefetch = 2, maxTokens = Infinity, firstRow = 0, signal } = options;
  const { prependBos = true, skipPositions = prependBos ? [0] : [] } = options;
  const contextLength = options.contextLength ?? Math.min(model.maxContext, 128);
  const rowsPerRun = options.rowsPerRun ?? defaultRowsPerRun(contextLength);
  checkWhole(contextLength, "contextLength");
  checkWhole(rowsPerRun, "rowsPerRun");
  checkWhole(prefetch, "prefetch");
  if (options.share) checkShare(options.share);
  if (!(maxTokens > 0)) {
    throw new RangeError(`maxTokens is ${maxTokens}, expected a number above 0`);
  }
  checkWhole(firstRow, "firstRow", 0);
  const kept = keptPositions(contextLength, skipPositions);
  const maxRows = Math.ceil(maxTokens / kept.length);
  const packed = packTokenRows(model, texts, { contextLength, prependBos, maxRows });
  const tokenRows = options.fingerprint?.follow(packed, maxRows) ?? packed;
  const perRun = rowsPerRun * kept.length;
  const rows = harvestActivations(model, tokenRows, {
    ...{ kept, rowsPerRun, prefetch, maxTokens, signal },
    // Whole model calls only: a different number of rows per call could change the last bits.
    isWanted: (call) => !ownRows(call * perRun, perRun, firstRow, options.share).next().done,
  });
  return cutShare(rows, firstRow, options.share);
}

/** The activations of a share, from its `firstRow` on. */
async function* cutShare(
  batches: AsyncIterable<HarvestedRows>,
  firstRow: number,
  share?: ActivationShare,
): AsyncGenerator<Matrix> {
  for await (const { data, rows, cols, first } of batches) {
    for (const { from, to } of ownRows(first, rows, firstRow, share)) {
      yield { data: data.subarray(from * cols, to * cols), rows: to - from, cols };
    }
  }
}

/** Which of `rows` activations from number `first` on are a share's, from its own `firstRow` on: stretches. */
function* ownRows(
  first: number,
  rows: number,
  firstRow: number,
  { index, count, rows: turnRows }: ActivationShare = { index: 1, count: 1, rows: Infinity },
): Generator<{ from: number; to: number }> {
  for (let at = first; at < first + rows;) {
    // Infinity · 0 is no number.
    const turn = turnRows === Infinity ? 0 : Math.floor(at / turnRows);
    const begin = turn === 0 ? 0 : turn * turnRows;
    const end = Math.min(begin + turnRows, first + rows);
    const before = turn === 0 ? 0 : Math.floor(turn / count) * turnRows;
    const from = Math.max(at, begin + firstRow - before);
    if (turn % count === index - 1 && from < end) yield { from: from - first, to: end - first };
    at = end;
  }
}

function keptPositions(contextLength: number, skipPositions: readonly number[]): number[] {
  const bad = skipPositions.find((p) => !isWhole(p, 0, contextLength - 1));
  if (bad !== undefined) {
    throw new RangeError(
      `skipPositions contains ${bad}, expected positions from 0 to ${contextLength - 1}`,
    );
  }
  const kept = Array.from({ length: contextLength }, (_, position) => position)
    .filter((position) => !skipPositions.includes(position));
  if (kept.length === 0) {
    throw new RangeError(
      `skipPositions contains all ${contextLength} positions, expected at least one to be kept`,
    );
  }
  return kept;
}

function checkShare({ index, count, rows }: ActivationShare): void {
  checkWhole(count, "share.count");
  checkWhole(index, "share.index", 1, count);
  checkWhole(rows, "share.rows");
}
