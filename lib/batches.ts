import type { Matrix } from "./matrix.ts";

/**
 * Batches of activations, [rows, d] each: a stream, a list, or a function that returns them from the
 * beginning. Functions that read them more than once need a list or a function.
 */
export type Batches =
  | AsyncIterable<Matrix>
  | Iterable<Matrix>
  | (() => AsyncIterable<Matrix> | Iterable<Matrix>);

/** A stream or list of values, or a function that returns them from the beginning. */
export type Stream<T> = AsyncIterable<T> | Iterable<T> | (() => AsyncIterable<T> | Iterable<T>);

/** Starts reading a stream; calls it if it is a function. */
export function openStream<T>(stream: Stream<T>): AsyncIterable<T> | Iterable<T> {
  return typeof stream === "function" ? stream() : stream;
}

/**
 * A function that returns the stream from the beginning at each call.
 *
 * @param passes Number of times that it will be read.
 * @param reader Name of the reader, for the error message.
 * @param what Content of the stream, for the error message.
 * @throws {TypeError} The stream can be read once only, and `passes` is above 1.
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
