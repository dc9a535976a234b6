import type { LanguageModel } from "../language_model/language_model.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import type { Matrix } from "../matrix.ts";
import { orderedActivations, type OrderedActivationsOptions } from "./ordered_activations.ts";

/** The part of a language model that {@linkcode orderedHooks} uses, opened with `moreHooks`. */
export type HooksModel = Pick<
  LanguageModel,
  "id" | "maxContext" | "bosToken" | "tokenize" | "hooks" | "activationsOf"
>;

// Matrices that are queued for a stream that is not being read, before that is an error.
const maxQueued = 16;

/**
 * Activations of several hooks over texts from one run of the model, each as `orderedActivations` returns
 * them. The streams must be read concurrently: each waits until the others have read their matrices. A
 * stream whose loop ended no longer counts.
 *
 * @param model The model, opened with `moreHooks`.
 * @param texts Documents.
 * @param options Those of `orderedActivations`; they apply to all hooks.
 * @returns A stream per hook, in the order of `model.hooks`.
 * @throws {Error} While matrices are read: as `orderedActivations` does, in each stream; or one of the
 * streams is not read.
 *
 * @example Two stores from one run
 * ```ts no-eval
 * const streams = orderedHooks(model, readTexts("corpus/*.txt"), { maxTokens: 1e6 });
 * await Promise.all(streams.map((stream, i) =>
 *   writeActivations(stream, `activations/${i}`, {
 *     ...{ model: model.id, hook: model.hooks[i].hook, contextSize: 128, skipPositions: [0] },
 *   })
 * ));
 * ```
 */
export function orderedHooks(
  model: HooksModel,
  texts: Texts,
  options: OrderedActivationsOptions = {},
): AsyncGenerator<Matrix>[] {
  const { hooks, id, maxContext, bosToken, tokenize } = model;
  const widths = hooks.map(({ dModel }) => dModel);
  const dModel = widths.reduce((sum, width) => sum + width, 0);
  // Concatenated in one matrix they are packed, checked and counted like those of one hook.
  const source = orderedActivations(
    {
      ...{ id, maxContext, bosToken, tokenize, dModel },
      activations: async (tokens, rows) => joinColumns(await model.activationsOf(tokens, rows)),
    },
    texts,
    options,
  );
  return shareStream(source, hooks.map(({ hook }) => hook), (one) => splitColumns(one, widths));
}

function shareStream<T, U>(
  source: AsyncGenerator<T>,
  names: string[],
  split: (one: T) => U[],
): AsyncGenerator<U>[] {
  const queues: U[][] = names.map(() => []);
  const begun = names.map(() => false);
  const left = new Set(names.keys());
  let state: { ended?: boolean; error?: unknown } = {};
  let pulling: Promise<void> | undefined;
  let taken = Promise.withResolvers<void>();
  const wake = () => {
    taken.resolve();
    taken = Promise.withResolvers();
  };

  async function pull(): Promise<void> {
    try {
      const next = await source.next();
      if (next.done) state = { ended: true };
      else split(next.value).forEach((part, i) => left.has(i) && queues[i].push(part));
    } catch (error) {
      state = { ended: true, error };
    }
    pulling = undefined;
  }

  async function* stream(i: number): AsyncGenerator<U> {
    begun[i] = true;
    wake();
    try {
      for (;;) {
        const next = queues[i].shift();
        if (next !== undefined) {
          wake();
          yield next;
          continue;
        }
        if (state.ended) {
          if (state.error !== undefined) throw state.error;
          return;
        }
        const slow = [...left].find((other) => queues[other].length > 0 && begun[other]);
        const unread = [...left].find((other) => queues[other].length >= maxQueued);
        if (slow !== undefined) await taken.promise;
        else if (unread === undefined) await (pulling ??= pull());
        else {
          throw new Error(
            `the stream of ${names[unread]} is not read, and that of ${names[i]} waits for it: ` +
              `streams of several hooks must be read concurrently`,
          );
        }
      }
    } finally {
      left.delete(i);
      queues[i] = [];
      wake();
      if (left.size === 0) await source.return(undefined);
    }
  }
  return names.map((_, i) => stream(i));
}

function joinColumns(parts: Matrix[]): Matrix {
  const [{ rows }] = parts;
  const cols = parts.reduce((sum, part) => sum + part.cols, 0);
  const data = new Float32Array(rows * cols);
  let first = 0;
  for (const part of parts) {
    for (let row = 0; row < rows; row++) {
      const from = row * part.cols;
      data.set(part.data.subarray(from, from + part.cols), row * cols + first);
    }
    first += part.cols;
  }
  return { data, rows, cols };
}

function splitColumns({ data, rows, cols }: Matrix, widths: number[]): Matrix[] {
  let first = 0;
  return widths.map((width) => {
    const part = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const from = row * cols + first;
      part.set(data.subarray(from, from + width), row * width);
    }
    first += width;
    return { data: part, rows, cols: width };
  });
}
