import { createBuffers, readIntegers, writeBuffer } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type Operation, submit } from "../gpu/kernel.ts";
import { updateLatents, updateVector } from "../ops/adam.ts";
import { clipGradients } from "../ops/clip_gradients.ts";
import { squareRows, subtractDecoded } from "../ops/decode.ts";
import { centerBatch, createPreActivations, encodeBatch } from "../ops/encode.ts";
import {
  createSparseColumns,
  differentiateDecoderBias,
  differentiateEntries,
  sortByLatent,
  sumLatents,
} from "../ops/gradients.ts";
import { selectBatch } from "../ops/select.ts";
import { listDeadLatents, selectDead, selectTopK } from "../ops/select_rows.ts";
import { normalizeBatch, type RowNormalization } from "../ops/normalize_input.ts";
import { divideByDeviation } from "../ops/normalize_loss.ts";
import { differentiateThresholds, type JumpThresholds, selectRagged } from "../ops/ragged.ts";
import { recordLosses } from "../ops/record.ts";
import { createSparseRows } from "../ops/sparse_rows.ts";
import { isRagged, type Settings } from "./options.ts";
import { thresholdRateFactor } from "./schedule.ts";
import { type TrainingState, writeStep } from "./training_state.ts";

/** A training step for batches of one size. Owns the buffers that such a batch needs. */
export interface TrainingStep {
  /**
   * Takes step number `step` (from 1) on a batch of [rows, d] numbers, with the λ given where
   * `targetL0` steers it; nothing is read back.
   */
  run(batch: Float32Array, step: number, sparsityCoefficient?: number): void;
  /**
   * The smallest activation that the weights as they are keep of a batch (Eq. 8), 0 where they keep
   * none. Nothing is trained; which latents were active last is forgotten, so no step may follow.
   */
  smallestKept(batch: Float32Array): Promise<number>;
  /** Frees the step's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Prepares the training step for batches of `rows` samples: one dense product, the rest sparse. The
 * samples' own rows of the sparse matrices and of the residual come first (n of them); where there is
 * an auxiliary loss, row n + r holds sample r's dead latents and what their reconstruction leaves of
 * its residual, so that one set of kernels serves both losses.
 *
 * ReLU and JumpReLU have no bound on active latents below n·m, so there is room for all of them (28
 * bytes each, pre-activations included); the work is that of those which are active.
 */
export async function createTrainingStep(
  gpu: Gpu,
  state: TrainingState,
  settings: Settings,
  normalization: RowNormalization,
  rows: number,
): Promise<TrainingStep> {
  const { weights, stats } = state;
  const { dModel, dictSize, shards } = weights;
  const auxiliary = settings.auxCoefficient > 0;
  const auxK = auxiliary ? Math.min(settings.auxK, dictSize) : 0;
  const half = rows;
  const sparseRows = auxiliary ? 2 * rows : rows;
  const main = -2 / (rows * dModel);
  const ragged = isRagged(settings.architecture);
  const jump = state.logTheta;
  // The λ of which each step has its share: where it is steered the share is λ itself.
  const fullSparsity = settings.targetL0 === undefined ? settings.sparsityCoefficient : 1;
  // λ/n: what L1 adds to each activation's gradient, and L0's share of its thresholds'.
  const penalty = fullSparsity / rows;
  const scales = {
    half,
    main,
    auxiliary: main * settings.auxCoefficient,
    sparsity: settings.architecture === "relu" ? penalty : 0,
  };

  const buffers = createBuffers(gpu);
  try {
    const x = buffers.zeros("batch", rows * dModel);
    const scale = buffers.zeros("input scales", rows);
    const centered = buffers.zeros("centered batch", rows * dModel);
    const z = createPreActivations(gpu, buffers, rows, dictSize);
    const sparse = createSparseRows(
      buffers,
      sparseRows,
      rows * (ragged ? dictSize : settings.k + auxK),
    );
    const residual = buffers.zeros("residual", sparseRows * dModel);
    const squares = buffers.zeros("squared errors", sparseRows);
    const penalties = buffers.zeros("penalties", ragged ? rows : 1);
    const thresholds = jump && {
      logTheta: jump.value,
      theta: buffers.zeros("thresholds", dictSize),
      bandwidth: settings.bandwidth,
    };
    const dispatch = buffers.dispatch("workgroups for dead latents");
    const dead = buffers.zeros("dead latents", 1 + dictSize);
    const deltas = buffers.zeros("entry gradients", sparse.capacity);
    const columns = createSparseColumns(gpu, buffers, sparse, dictSize);
    const bEncGradient = buffers.zeros("encoder bias gradient", dictSize);
    const bDecGradient = buffers.zeros("decoder bias gradient", dModel);
    const input = settings.subtractDecoderBias ? centered : x;
    const operations: Operation[] = [];
    const thresholdGradient = jump && buffers.zeros("threshold gradient", dictSize);
    const differentiateJump = async (
      jump: JumpThresholds,
      gradient: GPUBuffer,
    ): Promise<Operation[]> => {
      const output = { rows, residual, scale: main, weights, gradient: bDecGradient };
      const shared = { columns, weights, outputGradient: bDecGradient, main, penalty, gradient };
      return [
        // So far the part of the output alone.
        ...await differentiateDecoderBias(gpu, buffers, output),
        ...await differentiateThresholds(gpu, buffers, {
          rows,
          jump,
          step: state.step,
          ...shared,
        }),
      ];
    };

    // From here on x is what the SAE reads; z = ReLU((x − b_dec) · W_encᵀ + b_enc), and its n·k largest numbers (Eq. 7), the k largest of
    // each row (Eq. 9), or all that are above 0 or their threshold.
    operations.push(
      ...await normalizeBatch(gpu, buffers, { normalization, rows, dModel, x, scale, stats }),
      await centerBatch(gpu, buffers, { rows, dModel, x, bDec: weights.bDec, centered, stats }),
      ...await encodeBatch(gpu, buffers, { input, weights, z }),
      ...ragged
        ? await selectRagged(gpu, buffers, {
          z,
          out: sparse,
          penalties,
          jump: thresholds,
          ...state,
        })
        : settings.architecture === "topk"
        ? await selectTopK(gpu, buffers, { z, wanted: settings.k, out: sparse, ...state })
        : await selectBatch(gpu, buffers, { z, wanted: rows * settings.k, out: sparse, ...state }),
    );
    const selecting = operations.slice();
    // e = x − x̂, rows 0 … n − 1 of the residual.
    operations.push(
      ...await subtractDecoded(gpu, buffers, {
        rows,
        sparse,
        weights,
        target: centered,
        out: residual,
      }),
    );
    operations.push(
      await listDeadLatents(gpu, buffers, {
        latents: dictSize,
        rows,
        deadAfter: settings.deadAfter,
        dead,
        dispatch,
        ...state,
      }),
    );
    if (auxiliary) {
      // e − ê, rows n … 2n − 1: dead latents reconstruct the residual, which is a constant here.
      operations.push(
        ...await selectDead(gpu, buffers, {
          z,
          wanted: auxK,
          out: sparse,
          dead,
          dispatch,
        }),
        ...await subtractDecoded(gpu, buffers, {
          rows,
          firstRow: rows,
          sparse,
          weights,
          out: residual,
        }),
      );
    }
    operations.push(
      await squareRows(gpu, buffers, { rows: sparseRows, cols: dModel, x: residual, squares }),
      ...settings.lossNormalization === "input_deviation"
        ? await divideByDeviation(gpu, buffers, { rows, dModel, x, residual, squares })
        : [],
      await recordLosses(gpu, buffers, {
        rows,
        numbers: rows * dModel,
        auxCoefficient: settings.auxCoefficient,
        squares,
        offsets: sparse.offsets,
        sparsity: ragged
          ? {
            coefficient: fullSparsity,
            penalties,
            latents: dictSize,
            theta: thresholds?.theta,
          }
          : undefined,
        ...state,
      }),
    );
    // Gradients by each entry, ordered by latent, and by the two biases.
    operations.push(
      ...await differentiateEntries(gpu, buffers, {
        sparse,
        weights,
        residual,
        deltas,
        scales,
        step: settings.architecture === "relu" ? state.step : undefined,
      }),
      ...await sortByLatent(gpu, buffers, { sparse, deltas, columns, dictSize, scales }),
      ...thresholds && thresholdGradient
        ? await differentiateJump(thresholds, thresholdGradient)
        : [],
      await sumLatents(gpu, buffers, { columns, dictSize, gradient: bEncGradient }),
      ...await differentiateDecoderBias(gpu, buffers, {
        rows,
        residual,
        scale: main,
        weights,
        bEncGradient: settings.subtractDecoderBias ? bEncGradient : undefined,
        gradient: bDecGradient,
      }),
    );
    if (settings.gradientClip > 0) {
      operations.push(
        ...await clipGradients(gpu, buffers, {
          limit: settings.gradientClip,
          half,
          columns,
          residual,
          input,
          gradients: { bEnc: bEncGradient, bDec: bDecGradient, logTheta: thresholdGradient },
          ...state,
        }),
      );
    }
    // Adam, latent by latent, gradients gathered on the way; decoder rows end with norm 1.
    for (const [index, { first, latents, wEnc, wDec }] of shards.entries()) {
      const moments = state.shardMoments[index];
      const shared = { dModel, first, latents, half, columns, ...state };
      if (!settings.freezeDecoder) {
        operations.push(
          await updateLatents(gpu, buffers, {
            ...shared,
            decoder: true,
            w: wDec,
            moments: moments.decoder,
            source: residual,
          }),
        );
      }
      operations.push(
        await updateLatents(gpu, buffers, {
          ...shared,
          decoder: false,
          w: wEnc,
          moments: moments.encoder,
          source: input,
        }),
      );
    }
    const vectors = [
      [weights.bEnc, bEncGradient, state.bEncMoments, dictSize, 1],
      ...settings.freezeDecoder === true
        ? []
        : [[weights.bDec, bDecGradient, state.bDecMoments, dModel, 1] as const],
      ...jump && thresholdGradient
        ? [
          [jump.value, thresholdGradient, jump.moments, dictSize, thresholdRateFactor(settings)],
        ] as const
        : [],
    ] as const;
    for (const [value, gradient, moments, length, rateFactor] of vectors) {
      const vector = { length, value, gradient, moments, rateFactor };
      operations.push(await updateVector(gpu, buffers, { ...vector, ...state }));
    }
    return {
      run(batch, step, sparsityCoefficient) {
        writeBuffer(gpu, x, batch);
        writeStep(gpu, state, step, settings, sparsityCoefficient);
        submit(gpu, operations, [stats, columns.counts, sparse.kept]);
      },
      async smallestKept(batch) {
        writeBuffer(gpu, x, batch);
        submit(gpu, selecting, [stats, columns.counts, sparse.kept]);
        // The complement of its bits, so that 0 stands for none.
        const [, complement] = await readIntegers(gpu, stats, 3);
        return complement === 0 ? 0 : new Float32Array(Uint32Array.of(~complement).buffer)[0];
      },
      [Symbol.dispose]: () => buffers[Symbol.dispose](),
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}
