import { layOutStep } from "../../kernels/prelude.ts";
import {
  type BufferSet,
  createBuffers,
  type DeviceBuffer,
  readParts,
  writeBuffer,
} from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { createProgram, type Program, type Stage, submit } from "../device/program.ts";
import { squareRows, subtractDecoded } from "../ops/decode.ts";
import { chooseScreening } from "../ops/choose_screening.ts";
import { centerBatch } from "../ops/encode.ts";
import { normalizeBatch, scaleErrors } from "../ops/normalize_input.ts";
import { selectAbove, selectActive, type SelectionRule } from "../ops/select_active.ts";
import { createSparseRows, type SparseRows } from "../ops/sparse_rows.ts";
import type { Weights } from "../ops/weights.ts";
import { keptOfBatch } from "./architectures/batchtopk.ts";
import type { Encoded, Selection } from "./encoded.ts";
import { undoneEpsilon } from "./normalize_input.ts";
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
  device: Device,
  sae: Sae,
  weights: Weights,
  threshold: DeviceBuffer,
  selection: Selection,
  rows: number,
): Promise<InferenceBlock> {
  const { dModel: d, dictSize: m } = sae;
  await chooseScreening(device);
  const buffers = createBuffers(device);
  try {
    const x = buffers.zeros("batch", rows * d);
    const centered = buffers.zeros("centered batch", rows * d);
    const residual = buffers.zeros("residual", rows * d);
    const squares = buffers.zeros("squared errors", rows);
    const stats = buffers.zeros("stats", 3);
    const normalized = sae.inputNormalization !== "none";
    const scale = buffers.zeros("input scales", normalized ? rows : 1);
    const input = sae.subtractDecoderBias ? centered : x;
    const p = createProgram(device, buffers);
    normalizeBatch(p, { normalization: sae, rows, dModel: d, x, scale, stats });
    centerBatch(p, { rows, dModel: d, x, bDec: weights.bDec, centered, stats });
    const encoding = await p.stages();
    // Most SAEs keep far fewer than 64 latents per sample; where that is too few, room is made below.
    let capacity = selection === "threshold" ? rows * Math.min(m, 64) : Math.ceil(rows * sae.k!);
    let entries: { buffers: BufferSet; sparse: SparseRows; decoding: Stage[] } | undefined;

    const prepare = async () => {
      entries?.buffers[Symbol.dispose]();
      entries = undefined;
      const own = createBuffers(device);
      try {
        const sparse = createSparseRows(own, rows, capacity);
        const program = createProgram(device, own);
        selectAndDecode(program, sparse);
        entries = { buffers: own, sparse, decoding: await program.stages() };
        return entries;
      } catch (error) {
        own[Symbol.dispose]();
        throw error;
      }
    };
    const selectAndDecode = (p: Program, sparse: SparseRows) => {
      select(p, sparse);
      subtractDecoded(p, { rows, sparse, weights, target: centered, out: residual });
      if (normalized) {
        const epsilon = undoneEpsilon(sae);
        scaleErrors(p, { rows, cols: d, errors: residual, input: x, scale, epsilon });
      }
      squareRows(p, { rows, cols: d, x: residual, squares });
    };
    const select = (p: Program, out: SparseRows) => {
      if (selection === "threshold") {
        selectAbove(p, { rows, input, weights, threshold, out, stats });
        return;
      }
      const step = p.buffers.uniform("step", layOutStep({ step: 1 }));
      const lastActive = p.buffers.zeros("last active", m);
      const wanted = keptOfBatch(selection === "batch" ? rows : 1, sae.k!);
      const rule: SelectionRule = { by: selection === "batch" ? "batch" : "row", wanted };
      selectActive(p, { rows, input, weights, rule, out, step, lastActive, stats });
    };

    return {
      rows,
      async run(data, first, wantsResidual) {
        let { sparse, decoding } = entries ?? await prepare();
        writeBuffer(device, x, data);
        submit(device, [...encoding, ...decoding], [stats]);
        const parts = [
          { buffer: sparse.offsets, length: rows + 1 },
          { buffer: squares, length: rows },
          { buffer: stats, length: 1 },
        ];
        let [offsets, errors, bad] = await readParts(device, parts);
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
          ({ sparse, decoding } = await prepare());
          submit(device, decoding);
          parts[0].buffer = sparse.offsets;
          [offsets, errors] = await readParts(device, parts);
          rowOffsets = new Uint32Array(offsets);
        }
        const length = rowOffsets[rows];
        const [latents, values, left] = await readParts(device, [
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
