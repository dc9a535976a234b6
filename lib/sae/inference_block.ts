import { type BufferSet, createBuffers, readParts, writeBuffer } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type Operation, submit } from "../gpu/kernel.ts";
import { squareRows, subtractDecoded } from "../ops/decode.ts";
import { centerBatch, createPreActivations, encodeBatch } from "../ops/encode.ts";
import { normalizeBatch, scaleBatch } from "../ops/normalize_input.ts";
import { countAbove, selectBatch, writeAbove } from "../ops/select.ts";
import { selectTopK } from "../ops/select_rows.ts";
import { createSparseRows, type SparseRows } from "../ops/sparse_rows.ts";
import type { Weights } from "../ops/weights.ts";
import type { Encoded, Selection } from "./inference.ts";
import type { Sae } from "./sae.ts";

/** Runs an SAE on blocks of one number of rows. Owns the buffers that such a block needs. */
export interface InferenceBlock {
  /** Number of rows. */
  rows: number;
  /** Encodes and decodes [rows, d] numbers; `first` is the block's first row, for errors. */
  run(data: Float32Array, first: number, residual: boolean): Promise<Encoded>;
  /** Frees the block's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Prepares an SAE whose weights are on the GPU for blocks of `rows` samples. They are normalised in
 * place before they are encoded; the residual is taken back to their space before it is squared.
 */
export async function createInferenceBlock(
  gpu: Gpu,
  sae: Sae,
  weights: Weights,
  threshold: GPUBuffer,
  selection: Selection,
  rows: number,
): Promise<InferenceBlock> {
  const { dModel: d, dictSize: m } = sae;
  const buffers = createBuffers(gpu);
  try {
    const x = buffers.zeros("batch", rows * d);
    const centered = buffers.zeros("centered batch", rows * d);
    const residual = buffers.zeros("residual", rows * d);
    const squares = buffers.zeros("squared errors", rows);
    const stats = buffers.zeros("stats", 3);
    const normalized = sae.inputNormalization !== "none";
    const scale = buffers.zeros("input scales", normalized ? rows : 1);
    const z = createPreActivations(gpu, buffers, rows, m);
    const encoding = [
      ...await normalizeBatch(gpu, buffers, {
        normalization: sae,
        rows,
        dModel: d,
        x,
        scale,
        stats,
      }),
      await centerBatch(gpu, buffers, {
        rows,
        dModel: d,
        x,
        bDec: weights.bDec,
        centered,
        stats,
      }),
      ...await encodeBatch(gpu, buffers, {
        input: sae.subtractDecoderBias ? centered : x,
        weights,
        z,
      }),
    ];
    // Most SAEs keep far fewer than 64 latents a sample; where that is too few, room is made below.
    let capacity = selection === "threshold" ? rows * Math.min(m, 64) : Math.ceil(rows * sae.k!);
    let entries: { buffers: BufferSet; sparse: SparseRows; operations: Operation[] } | undefined;

    const prepare = async () => {
      entries?.buffers[Symbol.dispose]();
      entries = undefined;
      const own = createBuffers(gpu);
      try {
        const sparse = createSparseRows(own, rows, capacity);
        entries = { buffers: own, sparse, operations: await selectAndDecode(own, sparse) };
        return entries;
      } catch (error) {
        own[Symbol.dispose]();
        throw error;
      }
    };
    const selectAndDecode = async (own: BufferSet, sparse: SparseRows): Promise<Operation[]> => {
      const decoding = { rows, sparse, weights, target: centered, out: residual };
      return [
        ...await select(own, sparse),
        ...await subtractDecoded(gpu, own, decoding),
        ...normalized ? [await scaleBatch(gpu, own, { rows, cols: d, x: residual, scale })] : [],
        await squareRows(gpu, own, { rows, cols: d, x: residual, squares }),
      ];
    };
    const select = async (own: BufferSet, out: SparseRows): Promise<Operation[]> => {
      if (selection !== "threshold") {
        const step = own.uniform("step", new Uint32Array([1]));
        const lastActive = own.zeros("last active", m);
        const shared = { z, out, step, lastActive, stats };
        return selection === "batch"
          ? await selectBatch(gpu, own, {
            ...shared,
            wanted: Math.max(1, Math.round(rows * sae.k!)),
          })
          : await selectTopK(gpu, own, { ...shared, wanted: Math.max(1, Math.round(sae.k!)) });
      }
      const { kept, offsets } = out;
      return [
        ...await countAbove(gpu, own, { z, threshold, kept, offsets }),
        ...await writeAbove(gpu, own, { z, threshold, out }),
      ];
    };

    return {
      rows,
      async run(data, first, wantsResidual) {
        let { sparse, operations } = entries ?? await prepare();
        writeBuffer(gpu, x, data);
        submit(gpu, [...encoding, ...operations], [stats]);
        const parts = [
          { buffer: sparse.offsets, length: rows + 1 },
          { buffer: squares, length: rows },
          { buffer: stats, length: 1 },
        ];
        let [offsets, errors, bad] = await readParts(gpu, parts);
        const badInput = new Uint32Array(bad)[0];
        if (badInput !== 0) {
          const at = ~badInput >>> 0;
          throw new RangeError(
            `the activations are not finite in row ${first + Math.floor(at / d)}, column ${at % d}`,
          );
        }
        let rowOffsets = new Uint32Array(offsets);
        if (rowOffsets[rows] > capacity) {
          capacity = Math.min(rows * m, Math.ceil(rowOffsets[rows] * 1.25));
          ({ sparse, operations } = await prepare());
          submit(gpu, operations);
          parts[0].buffer = sparse.offsets;
          [offsets, errors] = await readParts(gpu, parts);
          rowOffsets = new Uint32Array(offsets);
        }
        const length = rowOffsets[rows];
        const [latents, values, left] = await readParts(gpu, [
          { buffer: sparse.latents, length },
          { buffer: sparse.values, length },
          { buffer: residual, length: wantsResidual ? rows * d : 0 },
        ]);
        return {
          codes: {
            rows,
            cols: m,
            rowOffsets,
            latents: new Uint32Array(latents),
            values: new Float32Array(values),
          },
          squaredErrors: new Float32Array(errors),
          ...(wantsResidual ? { residual: new Float32Array(left) } : {}),
        };
      },
      [Symbol.dispose]() {
        entries?.buffers[Symbol.dispose]();
        buffers[Symbol.dispose]();
      },
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}
