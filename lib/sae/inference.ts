import { type BufferSet, createBuffers, readParts, writeBuffer } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type Operation, submit } from "../gpu/kernel.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { squareRows, subtractDecoded } from "../ops/decode.ts";
import { centerBatch, createPreActivations, encodeBatch } from "../ops/encode.ts";
import { countAbove, selectBatch, writeAbove } from "../ops/select.ts";
import { createSparseRows, type SparseRows } from "../ops/sparse_rows.ts";
import { uploadWeights, type Weights } from "../ops/weights.ts";
import { checkSae } from "./check.ts";
import type { Sae } from "./sae.ts";

/**
 * How active latents are found: "threshold" compares each pre-activation with its latent's threshold
 * (Eq. 8), so that a sample does not depend on its batch; "batch" keeps the n·k largest of the
 * matrix that is passed in, as in training (Eq. 7).
 */
export type Selection = "threshold" | "batch";

/** Options of everything that runs a trained SAE. */
export interface InferenceOptions {
  /** How active latents are found (default "threshold"). */
  selection?: Selection;
}

/** What an SAE makes of a block of samples. */
export interface Encoded {
  /** Active latents of each sample. */
  codes: SparseMatrix;
  /** Σ_d (x − x̂)² of each sample. */
  squaredErrors: Float32Array;
  /** x − x̂, [rows, d]; only where it was asked for. */
  residual?: Float32Array;
}

/** An SAE that is ready on the GPU. Owns its buffers. */
export interface Inference {
  /** Encodes and decodes samples. */
  run(x: Matrix, options?: { residual?: boolean }): Promise<Encoded>;
  /** Frees the SAE's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Puts an SAE on the GPU to run it on many matrices.
 *
 * @throws {RangeError | TypeError} The SAE is not consistent, or cannot be run by this version.
 */
export function openInference(gpu: Gpu, sae: Sae, options: InferenceOptions = {}): Inference {
  checkSae(sae);
  const selection = checkSelection(sae, options.selection ?? "threshold");
  const owned = createBuffers(gpu);
  let block: Block | undefined;
  try {
    const weights = uploadWeights(gpu, owned, sae);
    const threshold = owned.from("threshold", sae.threshold ?? new Float32Array(sae.dictSize));
    return {
      async run(x, { residual = false } = {}) {
        checkMatrix(x, sae.dModel);
        const rows = selection === "batch" ? x.rows : blockRows(gpu, sae);
        const parts: Encoded[] = [];
        for (let first = 0; first < x.rows; first += rows) {
          const count = Math.min(rows, x.rows - first);
          if (block?.rows !== count) {
            block?.buffers[Symbol.dispose]();
            block = await createBlock(gpu, sae, weights, threshold, selection, count);
          }
          const data = x.data.subarray(first * x.cols, (first + count) * x.cols);
          parts.push(await block.run(data, residual));
        }
        return join(parts, sae, residual);
      },
      [Symbol.dispose]() {
        block?.buffers[Symbol.dispose]();
        owned[Symbol.dispose]();
      },
    };
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}

interface Block {
  rows: number;
  buffers: BufferSet;
  run(data: Float32Array, residual: boolean): Promise<Encoded>;
}

async function createBlock(
  gpu: Gpu,
  sae: Sae,
  weights: Weights,
  threshold: GPUBuffer,
  selection: Selection,
  rows: number,
): Promise<Block> {
  const { dModel: d, dictSize: m } = sae;
  const buffers = createBuffers(gpu);
  try {
    const x = buffers.zeros("batch", rows * d);
    const centered = buffers.zeros("centered batch", rows * d);
    const residual = buffers.zeros("residual", rows * d);
    const squares = buffers.zeros("squared errors", rows);
    const stats = buffers.zeros("stats", 3);
    const z = createPreActivations(gpu, buffers, rows, m);
    const encoding = [
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
    let capacity = selection === "batch" ? rows * sae.k! : rows * Math.min(m, 64);
    let entries: { buffers: BufferSet; sparse: SparseRows; operations: Operation[] } | undefined;

    const prepare = async () => {
      entries?.buffers[Symbol.dispose]();
      const own = createBuffers(gpu);
      entries = { buffers: own, sparse: createSparseRows(own, rows, capacity), operations: [] };
      const { sparse, operations } = entries;
      if (selection === "batch") {
        const step = own.uniform("step", new Uint32Array([1]));
        const lastActive = own.zeros("last active", m);
        const wanted = rows * sae.k!;
        const shared = { z, wanted, out: sparse, step, lastActive, stats };
        operations.push(...await selectBatch(gpu, own, shared));
      } else {
        const { kept, offsets } = sparse;
        operations.push(
          ...await countAbove(gpu, own, { z, threshold, kept, offsets }),
          ...await writeAbove(gpu, own, { z, threshold, out: sparse }),
        );
      }
      const decoding = { rows, sparse, weights, target: centered, out: residual };
      operations.push(
        ...await subtractDecoded(gpu, own, decoding),
        await squareRows(gpu, own, { rows, cols: d, x: residual, squares }),
      );
    };

    return {
      rows,
      buffers: {
        ...buffers,
        [Symbol.dispose]() {
          entries?.buffers[Symbol.dispose]();
          buffers[Symbol.dispose]();
        },
      },
      async run(data, wantsResidual) {
        if (!entries) await prepare();
        writeBuffer(gpu, x, data);
        submit(gpu, [...encoding, ...entries!.operations], [stats]);
        const parts = [
          { buffer: entries!.sparse.offsets, length: rows + 1 },
          { buffer: squares, length: rows },
          { buffer: stats, length: 1 },
        ];
        let [offsets, errors, bad] = await readParts(gpu, parts);
        const badInput = new Uint32Array(bad)[0];
        if (badInput !== 0) {
          const at = ~badInput >>> 0;
          throw new RangeError(
            `the activations are not finite in row ${Math.floor(at / d)}, column ${at % d}`,
          );
        }
        let rowOffsets = new Uint32Array(offsets);
        if (rowOffsets[rows] > capacity) {
          capacity = Math.min(rows * m, Math.ceil(rowOffsets[rows] * 1.25));
          await prepare();
          submit(gpu, entries!.operations);
          parts[0].buffer = entries!.sparse.offsets;
          [offsets, errors] = await readParts(gpu, parts);
          rowOffsets = new Uint32Array(offsets);
        }
        const length = rowOffsets[rows];
        const [latents, values, left] = await readParts(gpu, [
          { buffer: entries!.sparse.latents, length },
          { buffer: entries!.sparse.values, length },
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
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}

function checkSelection(sae: Sae, selection: Selection): Selection {
  if (sae.inputNormalization !== "none") {
    throw new RangeError(
      `the SAE normalises its input (${sae.inputNormalization}), this version runs "none" only`,
    );
  }
  if (selection === "batch") {
    if (sae.k === undefined) throw new RangeError(`selection "batch" needs the SAE's k`);
    return selection;
  }
  if (selection !== "threshold") {
    throw new RangeError(`selection is ${selection}, expected "threshold" or "batch"`);
  }
  if (sae.architecture === "topk") {
    throw new RangeError("this version does not run topk SAEs");
  }
  if (sae.architecture !== "relu" && !sae.threshold) {
    throw new RangeError(
      `the ${sae.architecture} SAE has no threshold` +
        (sae.k === undefined ? "" : `: give it one, or ask for selection "batch"`),
    );
  }
  return selection;
}

function checkMatrix(x: Matrix, dModel: number): void {
  if (x.cols !== dModel || x.data.length !== x.rows * x.cols) {
    throw new RangeError(
      `the activations are ${x.rows} × ${x.cols} with ${x.data.length} numbers, ` +
        `expected ${dModel} columns (the SAE's dModel)`,
    );
  }
}

// Blocks whose pre-activations take 64 MiB, or what the device allows.
function blockRows(gpu: Gpu, { dModel, dictSize }: Sae): number {
  const most = Math.min(2 ** 26, gpu.limits.maxStorageBufferBindingSize);
  return Math.max(1, Math.min(4096, Math.floor(most / (4 * Math.max(dictSize, dModel)))));
}

function join(parts: Encoded[], sae: Sae, wantsResidual: boolean): Encoded {
  const rows = parts.reduce((sum, part) => sum + part.codes.rows, 0);
  const entries = parts.reduce((sum, part) => sum + part.codes.latents.length, 0);
  const codes: SparseMatrix = {
    rows,
    cols: sae.dictSize,
    rowOffsets: new Uint32Array(rows + 1),
    latents: new Uint32Array(entries),
    values: new Float32Array(entries),
  };
  const squaredErrors = new Float32Array(rows);
  const residual = wantsResidual ? new Float32Array(rows * sae.dModel) : undefined;
  let row = 0;
  let entry = 0;
  for (const part of parts) {
    for (let r = 1; r <= part.codes.rows; r++) {
      codes.rowOffsets[row + r] = entry + part.codes.rowOffsets[r];
    }
    codes.latents.set(part.codes.latents, entry);
    codes.values.set(part.codes.values, entry);
    squaredErrors.set(part.squaredErrors, row);
    residual?.set(part.residual!, row * sae.dModel);
    row += part.codes.rows;
    entry += part.codes.latents.length;
  }
  return { codes, squaredErrors, ...(residual ? { residual } : {}) };
}
