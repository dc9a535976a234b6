import type { HooksModel } from "../../lib/activations/ordered_hooks.ts";
import type { Matrix } from "../../lib/matrix.ts";

/** A model whose activations are its token ids, at two hooks of width 1 and 2. */
export function madeModel(fail = Infinity): HooksModel & { calls: number } {
  const made = {
    id: "made",
    calls: 0,
    maxContext: 8,
    bosToken: 0,
    tokenize: (text: string) => Int32Array.from(text, (one) => one.charCodeAt(0)),
    hooks: [{ hook: "a", dModel: 1 }, { hook: "b", dModel: 2 }],
    activationsOf(tokens: Int32Array): Promise<Matrix[]> {
      if (++made.calls > fail) return Promise.reject(new Error("the model fails"));
      const matrix = (cols: number) => ({
        data: Float32Array.from(
          { length: tokens.length * cols },
          (_, i) => tokens[Math.floor(i / cols)],
        ),
        rows: tokens.length,
        cols,
      });
      return Promise.resolve([matrix(1), matrix(2)]);
    },
  };
  return made;
}
