import type { Matrix } from "./matrix.ts";

/**
 * Batches of activations, [rows, d] each: a stream or a list of them, or a function that gives them from
 * the beginning. What reads them more than once needs a list or a function.
 */
export type Batches =
  | AsyncIterable<Matrix>
  | Iterable<Matrix>
  | (() => AsyncIterable<Matrix> | Iterable<Matrix>);

/** A stream or list of anything, or a function that gives it from the beginning. */
export type Stream<T> = AsyncIterable<T> | Iterable<T> | (() => AsyncIterable<T> | Iterable<T>);

/** Starts to read what may be given by a function. */
export function openStream<T>(stream: Stream<T>): AsyncIterable<T> | Iterable<T> {
  return typeof stream === "function" ? stream() : stream;
}

/**
 * A function that gives a stream as often as it is needed.
 *
 * @param passes How often it will be read.
 * @param reader What reads it so often, for the error.
 * @param what What it holds, for the error.
 * @throws {TypeError} It can be read once, and is needed more often.
 */
export function readRepeatedly<T>(
  stream: Stream<T>,
  passes: number,
  reader: string,
  what: "activations" | "texts" = "activations",
): () => AsyncIterable<T> | Iterable<T> {
  if (typeof stream === "function") return stream;
  if (passes > 1 && !Array.isArray(stream)) {
    const name = what === "texts" ? "the texts" : "the batches";
    throw new TypeError(
      `${reader} reads the ${what} ${passes} times, ${name} are a stream that can be read once: ` +
        `give an array of them, or a function that returns the stream anew`,
    );
  }
  return () => stream;
}
