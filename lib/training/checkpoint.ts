import type { Matrix } from "../matrix.ts";
import type { Sae } from "../sae/sae.ts";
import type { StepRecord } from "./step_record.ts";

/**
 * Everything that a run needs to continue with the same bits, as plain data: typed arrays, and values
 * that JSON keeps exactly.
 */
export interface Checkpoint {
  /** Steps taken, each on one batch: the next one is batch number `steps` of the stream, from 0. */
  steps: number;
  /** Samples seen. */
  samples: number;
  /** A fingerprint of the last batch taken, which tells another stream from the run's own. */
  lastBatch: number;
  /** The options of the run, those that are numbers, texts, booleans or lists of numbers. */
  settings: Record<string, number | string | boolean | number[]>;
  /** The SAE without its numbers. */
  sae: Omit<Sae, "wEnc" | "bEnc" | "wDec" | "bDec" | "threshold">;
  /** What each step did. */
  history: StepRecord[];
  /** Weights, Adam's moments and counters by name. */
  arrays: Record<string, Float32Array | Uint32Array>;
  /** batchtopk: θ of Eq. 8, where the run ended here; it is measured after the last step. */
  inferenceThreshold?: number;
}

/** The SAE of a checkpoint, as it was being trained: of all architectures jumprelu has a threshold. */
export function saeOf({ sae, arrays }: Pick<Checkpoint, "sae" | "arrays">): Sae {
  const { wEnc, bEnc, wDec, bDec, logTheta } = arrays as Record<string, Float32Array>;
  const threshold = logTheta && { threshold: logTheta.map(Math.exp) };
  return { ...sae, wEnc, bEnc, wDec, bDec, ...threshold };
}

/**
 * 32 bits that tell batches apart: FNV-1a over the shape and 256 numbers spread over the batch, which
 * costs nothing beside a step. Another text, order or batch size changes nearly all of them.
 */
export function fingerprint({ data, rows, cols }: Matrix): number {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  let hash = 0x811c9dc5;
  const add = (word: number) => hash = Math.imul(hash ^ word, 0x01000193) >>> 0;
  add(rows);
  add(cols);
  // An odd stride does not stay in one column.
  const stride = Math.floor(words.length / 256) | 1;
  for (let at = 0; at < words.length; at += stride) add(words[at]);
  return hash;
}
