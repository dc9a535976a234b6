import {
  divergenceOutput,
  headInput,
  logitsOutput,
  lossOutput,
  otherInput,
  ownInput,
  targetsInput,
} from "./head_graph.ts";
import { type InferenceSession, Tensor } from "./onnx_runtime.ts";

type Floats = Float32Array<ArrayBuffer>;

/** The unembedding's input for one variant, [rows · L, d]; one row where all rows are equal. */
export interface HeadRows {
  /** Number of token rows in `data`. */
  rows: number;
  /** Values, [rows · L, d]. */
  data: Float32Array;
}

/** Logits and losses from the unembedding's input. */
export interface Head {
  /**
   * Loss in nats of each variant at every position but the last, [rows · (L − 1)]; with `divergence`,
   * followed by KL(first variant ‖ variant) in nats of every variant but the first.
   */
  losses(
    variants: HeadRows[],
    text: { tokens: Int32Array; rows: number; divergence: boolean },
  ): Promise<Floats[]>;
  /** Logits of positions, [count, vocabulary]. */
  logits(data: Float32Array, count: number): Promise<Floats>;
}

// 2^23 logits are 32 MiB. At least 64 rows: with 32 the product of Gemma 3's unembedding runs at 90 %
// of the speed it has with 128.
const logitsLimit = 2 ** 23;
const minRows = 64;

/** Wraps a session of `headModel`: whole texts go through it in blocks of positions. */
export function createHead(session: InferenceSession, vocabSize: number): Head {
  const most = Math.max(minRows, Math.floor(logitsLimit / vocabSize));

  return {
    async losses(variants, { tokens, rows, divergence }) {
      const length = tokens.length / rows;
      const width = variants[0].data.length / (variants[0].rows * length);
      const results = Array.from(
        { length: variants.length + (divergence ? variants.length - 1 : 0) },
        () => new Float32Array(rows * (length - 1)),
      );
      // A variant whose rows are all equal needs one row per position of a block.
      const perPosition = (count: number) =>
        variants.reduce((sum, variant) => sum + (variant.rows === 1 ? 1 : count), 0);
      let blockRows = rows;
      while (blockRows > 1 && perPosition(blockRows) > most) blockRows--;
      const blockPositions = Math.max(1, Math.floor(most / perPosition(blockRows)));
      for (let row = 0; row < rows; row += blockRows) {
        for (let position = 0; position < length - 1; position += blockPositions) {
          await runBlock({
            row,
            rowCount: Math.min(blockRows, rows - row),
            position,
            positionCount: Math.min(blockPositions, length - 1 - position),
          });
        }
      }
      return results;

      async function runBlock({ row, rowCount, position, positionCount }: Block): Promise<void> {
        const counts = variants.map((variant) =>
          (variant.rows === 1 ? 1 : rowCount) * positionCount
        );
        const total = counts.reduce((sum, count) => sum + count, 0);
        const data = new Float32Array(total * width);
        // A row of the head that stands for several rows of the text has a target for each of them.
        const targetCount = variants.some((variant) => variant.rows === 1) ? rowCount : 1;
        const targets = new BigInt64Array(total * targetCount);
        let at = 0;
        for (const variant of variants) {
          const own = variant.rows === 1 ? 1 : rowCount;
          for (let r = 0; r < own; r++) {
            const from = ((variant.rows === 1 ? 0 : row + r) * length + position) * width;
            data.set(variant.data.subarray(from, from + positionCount * width), at * width);
            for (let p = 0; p < positionCount; p++, at++) {
              for (let t = 0; t < targetCount; t++) {
                const ofRow = row + (own === 1 ? t : r);
                targets[at * targetCount + t] = BigInt(tokens[ofRow * length + position + p + 1]);
              }
            }
          }
        }
        // Pairs of rows of the head that are compared, per variant and position.
        const pairs: { own: number; other: number; into: Floats; at: number }[] = [];
        const rowOf = (first: number, count: number, r: number, p: number) =>
          first + (count === positionCount ? p : r * positionCount + p);
        let start = counts[0];
        for (const [v, count] of (divergence ? counts.slice(1) : []).entries()) {
          for (let r = 0; r < rowCount; r++) {
            for (let p = 0; p < positionCount; p++) {
              pairs.push({
                own: rowOf(0, counts[0], r, p),
                other: rowOf(start, count, r, p),
                into: results[variants.length + v],
                at: (row + r) * (length - 1) + position + p,
              });
            }
          }
          start += count;
        }
        const result = await runRows(
          session,
          { rows: data, count: total, targets, targetCount, pairs },
          [lossOutput, divergenceOutput],
        );
        const divergences = result[divergenceOutput].data as Float32Array;
        for (const [i, { into, at }] of pairs.entries()) into[at] = divergences[i];
        const loss = result[lossOutput].data as Float32Array;
        let first = 0;
        for (const [v, count] of counts.entries()) {
          for (let r = 0; r < rowCount; r++) {
            for (let p = 0; p < positionCount; p++) {
              const own = count === positionCount;
              const from = first + (own ? p : r * positionCount + p);
              results[v][(row + r) * (length - 1) + position + p] =
                loss[from * targetCount + (own && targetCount > 1 ? r : 0)];
            }
          }
          first += count;
        }
      }
    },

    async logits(data, count) {
      const width = data.length / count;
      let all: Floats | undefined;
      for (let from = 0; from < count; from += most) {
        const rows = data.subarray(from * width, Math.min(count, from + most) * width);
        const run = { rows, count: rows.length / width };
        const { data: part } = (await runRows(session, run, [logitsOutput]))[logitsOutput];
        const words = (part as Floats).length / run.count;
        all ??= new Float32Array(count * words);
        all.set(part as Floats, from * words);
      }
      return all!;
    },
  };
}

interface Block {
  row: number;
  rowCount: number;
  position: number;
  positionCount: number;
}

/** Runs a session of `headModel` or `unembeddingModel` on rows [count, d] and returns `outputs`. */
export async function runRows(
  session: InferenceSession,
  { rows, count, targets, targetCount = 1, pairs = [] }: {
    rows: Float32Array;
    count: number;
    targets?: BigInt64Array;
    targetCount?: number;
    pairs?: { own: number; other: number }[];
  },
  outputs: string[],
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, Tensor> = {
    [headInput]: new Tensor("float32", rows, [count, rows.length / count]),
  };
  if (session.inputNames.includes(targetsInput)) {
    const wanted = targets ?? new BigInt64Array(count);
    feeds[targetsInput] = new Tensor("int64", wanted, [count, targetCount]);
    // The inputs must not be empty: compare a row with itself.
    const compared = pairs.length > 0 ? pairs : [{ own: 0, other: 0 }];
    const indices = (list: number[]) =>
      new Tensor("int64", BigInt64Array.from(list, BigInt), [list.length]);
    feeds[ownInput] = indices(compared.map(({ own }) => own));
    feeds[otherInput] = indices(compared.map(({ other }) => other));
  }
  return await session.run(feeds, outputs) as Record<string, Tensor>;
}
