import { balanceColumns, columnPeaks } from "../../kernels/balance_columns.ts";
import { type Factors, vectorsOf } from "../../kernels/dense_tiled.ts";
import { roundRows } from "../../kernels/round_rows.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { BufferBinding } from "../device/kernel.ts";
import type { Program } from "../device/program.ts";
import type { Weights } from "./weights.ts";

/** Rows as a screening product reads them. */
export interface PackedRows {
  /** The numbers. */
  numbers: BufferBinding;
  /** {scale, error, norm, bias} of each row. */
  facts: BufferBinding;
}

/** A batch and an encoder as a screening product reads them. */
export interface PackedBoth {
  /** Number format to which they were rounded. */
  factors: Factors;
  /** Number of samples. */
  rows: number;
  /** The samples. */
  samples: PackedRows;
  /** Each shard's latents. */
  shards: PackedRows[];
}

/** Words of a packed row. */
export const wordsOf = (factors: Factors, d: number): number =>
  factors === "float32" ? d : vectorsOf(factors, d) * (factors === "float16" ? 2 : 4);

/** Rounds a batch [rows, d] and an encoder; float32 rows stay as they are. */
export function packBoth(
  p: Program,
  { factors, rows, input, weights }: {
    factors: Factors;
    rows: number;
    input: BufferBinding;
    weights: Weights;
  },
): PackedBoth {
  const { dModel: d, shards, bEnc } = weights;
  const balance = factors === "int8" ? balanceBoth(p, { rows, input, weights }) : undefined;
  const pack = (source: BufferBinding, count: number, first?: number): PackedRows => {
    const side = first === undefined ? "samples" : "latents";
    const facts = p.buffers.zeros("norms of rows", 4 * count);
    const packed = factors === "float32"
      ? undefined
      : p.buffers.zeros(`${side} as ${factors}`, count * wordsOf(factors, d));
    p.kernel(roundRows({ d, factors, biased: first !== undefined }), {
      sizes: { rows: count, first: first ?? 0 },
      bind: {
        ...{ source, facts, packed },
        ...{ bias: first === undefined ? undefined : bEnc, balance: balance?.[side] },
      },
      workgroups: count,
    });
    return { numbers: packed ?? source, facts };
  };
  return {
    ...{ factors, rows },
    samples: pack(input, rows),
    shards: shards.map(({ wEnc, latents, first }) => pack(wEnc, latents, first)),
  };
}

/** Factors of the columns of both operands, so that both use their 8 bits. */
function balanceBoth(
  p: Program,
  { rows, input, weights: { dModel: d, shards } }: {
    rows: number;
    input: BufferBinding;
    weights: Weights;
  },
) {
  const buffer = (label: string) => p.buffers.zeros(label, d);
  const samplePeaks = buffer("peaks of samples");
  const latentPeaks = buffer("peaks of the encoder");
  const samples = buffer("balance of samples");
  const latents = buffer("balance of the encoder");
  const note = (source: BufferBinding, count: number, peaks: DeviceBuffer) =>
    p.kernel(columnPeaks(), {
      sizes: { rows: count, d },
      bind: { source, peaks },
      workgroups: Math.ceil(count / 64) * Math.ceil(d / 64),
    });
  note(input, rows, samplePeaks);
  for (const shard of shards) note(shard.wEnc, shard.latents, latentPeaks);
  p.kernel(balanceColumns(), {
    sizes: { d },
    bind: { samplePeaks, latentPeaks, samples, latents },
    workgroups: Math.ceil(d / 64),
  });
  return { samples, latents };
}

/**
 * γ and the additive part of the bound: the rounding errors of the estimate and of the exact dot relative
 * to ‖x‖‖w‖, and the error of numbers below the normal range.
 *
 * WGSL may round float32 sums and products in either direction, an error of 2⁻²³ each. The exact dot has a
 * chain of d/4 products and as many sums, the estimate in float32 one of d; the bound, the norms and the
 * rest count as 64 more operations. Twice the sum is used. Float16, with an error of 2⁻¹⁰ per operation,
 * has one product and seven sums in a chain, and products below its normal range may become 0: at most 2d
 * · 2⁻¹⁴ where norms are at least 64.
 */
export function screeningBound(factors: Factors, d: number): { arithmetic: number; tiny: number } {
  const operations = 2 * (d / 4) + 64 + (factors === "int8" ? 0 : 2 * d);
  const half = factors === "float16" ? 8.5 * 2 ** -10 + d * 2 ** -24 : 0;
  return { arithmetic: operations * 2 ** -22 + half, tiny: d * 1e-33 };
}
