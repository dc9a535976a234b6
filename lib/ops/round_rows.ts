import { threadsOf } from "../device/cpu.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { f32, i8, type Program, u8 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";

// Rows rounded to 8 bits, with their rounding errors. Column c of one operand is divided by balance[c], a
// power of two, and that of the other multiplied by it, so that both use their 8 bits and products stay
// the same: x · w = Σ_c (x[c] / balance[c]) · (w[c] · balance[c]).

/**
 * Rows per block, which is one operand of an 8-bit product: a thread's share of the rows, at most 1024. In
 * larger blocks a row of the other operand is used more often while it is in a cache (12,288 latents, d
 * 768: a step takes 364 ms with 128 rows, 237 ms with 1024). A block's estimates take at most 128 MiB.
 */
export function blockRows(rows: number, latents: number, threads: number): number {
  const most = Math.min(1024, Math.floor(2 ** 25 / latents));
  return Math.max(64, Math.min(most, Math.ceil(rows / threads)));
}

/** Scales, norms and errors of rounded rows: row ≈ scale · bytes. Norms are those of the balanced rows. */
export interface RoundedRows {
  /** Largest |number| / 127, or 0 for a row that is rounded to zeros. */
  scale: DeviceBuffer;
  /** ‖row‖. */
  norm: DeviceBuffer;
  /** ‖row − scale · bytes‖. */
  error: DeviceBuffer;
}

const createRounded = (p: Program, rows: number): RoundedRows => ({
  scale: p.buffers.zeros("8-bit scales", rows),
  norm: p.buffers.zeros("norms of rows", rows),
  error: p.buffers.zeros("8-bit errors", rows),
});

/** A batch and an encoder in 8 bits. */
export interface Rounded {
  /** Samples, in blocks of `block` rows, [d, rows of the block] each. */
  samples: RoundedRows & { bytes: DeviceBuffer; block: number };
  /** Latents, [m, d], with the bits and the zero point of the 8-bit product. */
  latents: RoundedRows & { bytes: DeviceBuffer };
}

/** Number of 32-bit words that {@linkcode roundBoth} allocates. */
export function roundedNumbers(rows: number, latents: number, d: number): number {
  const bytes = (length: number) => Math.ceil(length / 4);
  const groups = Math.ceil(rows / 64) + Math.ceil(latents / 64);
  return 3 * (rows + latents) + bytes(rows * d) + bytes(latents * d) + groups * d + 2 * d;
}

/** Rounds a batch [rows, d] and an encoder [m, d]. */
export function roundBoth(
  p: Program,
  { input, wEnc, rows, latents, d }: {
    input: DeviceBuffer;
    wEnc: DeviceBuffer;
    rows: number;
    latents: number;
    d: number;
  },
): Rounded {
  const bytes = (label: string, length: number) => p.buffers.zeros(label, Math.ceil(length / 4));
  const block = blockRows(rows, latents, threadsOf(p.device));
  const samples = { ...createRounded(p, rows), block, bytes: bytes("8-bit samples", rows * d) };
  const encoder = { ...createRounded(p, latents), bytes: bytes("8-bit encoder", latents * d) };
  const groups = { samples: Math.ceil(rows / 64), latents: Math.ceil(latents / 64) };
  const samplePeaks = f32(p.buffers.zeros("peaks of samples", groups.samples * d));
  // The encoder's peaks are computed while it is rounded, and balance the next batch.
  const latentPeaks = f32(p.buffers.zeros("peaks of the encoder", groups.latents * d));
  const balance = f32(p.buffers.zeros("balance of columns", d));
  p.loop(findPeaks, { x: f32(input), peaks: samplePeaks, rows, d }, groups.samples);
  const inverse = f32(p.buffers.zeros("inverse balance of columns", d));
  p.loop(balanceColumns, { samplePeaks, latentPeaks, balance, inverse, d }, d);
  const views = ({ scale, norm, error }: RoundedRows) => ({
    scale: f32(scale),
    norm: f32(norm),
    error: f32(error),
  });
  p.loop(roundLatents, {
    ...views(encoder),
    ...{ w: f32(wEnc), bytes: u8(encoder.bytes), balance, peaks: latentPeaks, latents, d },
  }, groups.latents);
  p.loop(
    roundSamples,
    {
      ...views(samples),
      ...{ x: f32(input), bytes: i8(samples.bytes), inverse, rows, block, d },
    },
    Math.ceil(rows / block),
    1,
  );
  return { samples, latents: encoder };
}

/** peaks[g, c] = the largest |x[r, c]| of 64 rows, over groups of rows. */
export function findPeaks(
  { x, peaks, rows, d }: { x: Float32Array; peaks: Float32Array; rows: number; d: number },
  from: number,
  to: number,
): void {
  for (let group = from; group < to; group++) {
    const own = peaks.subarray(group * d, (group + 1) * d).fill(0);
    for (let row = 64 * group; row < Math.min(rows, 64 * (group + 1)); row++) {
      for (let c = 0, at = row * d; c < d; c++, at++) {
        const size = Math.abs(x[at]);
        if (size > own[c]) own[c] = size;
      }
    }
  }
}

/** balance[c] = √(peak of the samples / peak of the encoder), to the nearest power of two; over columns. */
export function balanceColumns(
  { samplePeaks, latentPeaks, balance, inverse, d }: {
    samplePeaks: Float32Array;
    latentPeaks: Float32Array;
    balance: Float32Array;
    /** 1 / balance. */
    inverse: Float32Array;
    d: number;
  },
  from: number,
  to: number,
): void {
  const peak = (peaks: Float32Array, c: number) => {
    let most = 0;
    for (let at = c; at < peaks.length; at += d) most = Math.max(most, peaks[at]);
    return most;
  };
  for (let c = from; c < to; c++) {
    const power = Math.round(Math.log2(peak(samplePeaks, c) / peak(latentPeaks, c)) / 2);
    // Not balanced where a peak is zero or not finite.
    balance[c] = Math.abs(power) <= 60 ? 2 ** power : 1;
    inverse[c] = 1 / balance[c];
  }
}

/** Rounds latents, over groups of 64. */
export function roundLatents(
  { w, bytes, scale, norm, error, balance, peaks, latents, d }: {
    w: Float32Array;
    bytes: Uint8Array;
    scale: Float32Array;
    norm: Float32Array;
    error: Float32Array;
    balance: Float32Array;
    peaks: Float32Array;
    latents: number;
    d: number;
  },
  from: number,
  to: number,
  { simd, integerProduct: { bits, zero } }: Thread,
): void {
  const most = 2 ** (bits - 1) - 1;
  for (let group = from; group < to; group++) {
    const peaksOf = peaks.subarray(group * d, (group + 1) * d).fill(0);
    for (let latent = 64 * group; latent < Math.min(latents, 64 * (group + 1)); latent++) {
      const at = latent * d;
      if (simd) {
        const out = scale.byteOffset + 4 * latent;
        simd.roundRow(
          ...[w.byteOffset + 4 * at, balance.byteOffset, peaksOf.byteOffset] as const,
          ...[bytes.byteOffset + at, most, zero, d] as const,
          ...[out, norm.byteOffset + 4 * latent, error.byteOffset + 4 * latent] as const,
        );
        continue;
      }
      let peak = 0;
      for (let c = 0; c < d; c++) {
        const size = Math.abs(w[at + c]);
        if (size > peaksOf[c]) peaksOf[c] = size;
        peak = Math.max(peak, size * balance[c]);
      }
      const step = stepOf(peak, most);
      let [squares, errors] = [0, 0];
      for (let c = 0; c < d; c++) {
        const value = w[at + c] * balance[c];
        const byte = step > 0 ? Math.round(value / step) : 0;
        bytes[at + c] = byte + zero;
        squares += value * value;
        errors += (value - byte * step) ** 2;
      }
      scale[latent] = step;
      norm[latent] = Math.sqrt(squares) * UP + LEAST;
      error[latent] = Math.sqrt(errors) * UP + LEAST;
    }
  }
}

/** Rounds samples to 8 bits, a block's bytes in column-major order; over blocks. */
export function roundSamples(
  { x, bytes, scale, norm, error, inverse, rows, block, d }: {
    x: Float32Array;
    bytes: Int8Array;
    scale: Float32Array;
    norm: Float32Array;
    error: Float32Array;
    /** 1 / balance. */
    inverse: Float32Array;
    rows: number;
    /** Rows of a block. */
    block: number;
    d: number;
  },
  from: number,
  to: number,
  { simd }: Thread,
): void {
  for (let first = from * block; first < Math.min(rows, to * block); first += block) {
    const count = Math.min(block, rows - first);
    const own = bytes.subarray(first * d, (first + count) * d);
    for (let r = 0; r < count; r++) {
      const at = (first + r) * d;
      if (simd) {
        const [row, column] = [4 * (first + r), own.byteOffset + r];
        simd.roundColumn(
          ...[x.byteOffset + 4 * at, inverse.byteOffset, column, count, d] as const,
          ...[scale.byteOffset + row, norm.byteOffset + row, error.byteOffset + row] as const,
        );
        continue;
      }
      let peak = 0;
      for (let c = 0; c < d; c++) peak = Math.max(peak, Math.abs(x[at + c] * inverse[c]));
      const step = stepOf(peak, 127);
      const perStep = step > 0 ? 1 / step : 0;
      let [squares, errors] = [0, 0];
      for (let c = 0; c < d; c++) {
        const value = x[at + c] * inverse[c];
        const byte = Math.max(-127, Math.min(127, Math.round(value * perStep)));
        own[c * count + r] = byte;
        squares += value * value;
        errors += (value - byte * step) ** 2;
      }
      scale[first + r] = step;
      norm[first + r] = Math.sqrt(squares) * UP + LEAST;
      error[first + r] = Math.sqrt(errors) * UP + LEAST;
    }
  }
}

// Norms are upper bounds: float32's rounding error is added, also below its normal range.
const UP = 1 + 2 ** -20;
const LEAST = 2 ** -148;

// A row whose step would be subnormal is rounded to zeros: its error is its norm.
function stepOf(peak: number, most: number): number {
  const step = Math.fround(peak / most);
  return step > 1e-30 && step < Infinity ? step : 0;
}
