import type { Batches } from "../training/train_sae.ts";

/** Activations that can be read more than once: an array of batches, or a function that gives them anew. */
export type RepeatableBatches = Batches | (() => Batches);

/**
 * A function that gives the batches as often as they are needed.
 *
 * @param passes How often they will be read.
 * @param reason What reads them so often, for the error.
 * @throws {TypeError} They are a stream that can be read once, and are needed more often.
 */
export function readRepeatedly(
  batches: RepeatableBatches,
  passes: number,
  reason: string,
): () => Batches {
  if (typeof batches === "function") return batches;
  if (passes > 1 && !Array.isArray(batches)) {
    throw new TypeError(
      `${reason} reads the activations ${passes} times, the batches are a stream that can be ` +
        `read once: give an array of them, or a function that returns the stream anew`,
    );
  }
  return () => batches;
}
