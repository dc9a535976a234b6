import type { LanguageModel } from "../language_model/open_language_model.ts";
import { defaultRowsPerRun, packTokenRows } from "../language_model/token_rows.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import type { Matrix } from "../matrix.ts";
import { checkWhole, isWhole } from "../whole_number.ts";
import { dropRows } from "./drop_rows.ts";
import { harvestActivations } from "./harvest_activations.ts";
import type { TextFingerprint } from "./text_fingerprint.ts";

/** The part of a language model that {@linkcode orderedActivations} uses. */
export type ActivationModel = Pick<
  LanguageModel,
  "id" | "dModel" | "maxContext" | "bosToken" | "tokenize" | "activations"
>;

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
   * Number of activations to skip, 0 if not given. Their texts are read and tokenized, but the model does
   * not run on them; later activations have the same bits as without skipping.
   */
  firstRow?: number;
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
  if (!(maxTokens > 0)) {
    throw new RangeError(`maxTokens is ${maxTokens}, expected a number above 0`);
  }
  checkWhole(firstRow, "firstRow", 0);
  const kept = keptPositions(contextLength, skipPositions);
  const maxRows = Math.ceil(maxTokens / kept.length);
  const packed = packTokenRows(model, texts, { contextLength, prependBos, maxRows });
  const tokenRows = options.fingerprint?.follow(packed, maxRows) ?? packed;
  // Whole model calls only: a different number of rows per call could change the last bits.
  const skipTokenRows = rowsPerRun * Math.floor(firstRow / (rowsPerRun * kept.length));
  const skipped = skipTokenRows * kept.length;
  const rows = harvestActivations(model, tokenRows, {
    kept,
    rowsPerRun,
    prefetch,
    maxTokens: maxTokens - skipped,
    skipTokenRows,
    signal,
  });
  return firstRow > skipped ? dropRows(rows, firstRow - skipped) : rows;
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
