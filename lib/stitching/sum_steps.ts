import type { SparseMatrix } from "../matrix.ts";
import type { Walker } from "../ops/walk.ts";
import type { Sae } from "../sae/sae.ts";
import type { Measure, Pair, PairBatch } from "./pair.ts";

// How Eq. 5's decoder bias, α·b₀ + (1 − α)·b₁, enters the error. Every residual r is kept with the small
// SAE's bias b₀ alone. With Δ = b₀ − b₁ the error is e = r + (1 − α)·s·Δ, s being the sample's scale of the
// input normalisation, so that Σ‖e‖² = Σ‖r‖² + 2(1 − α)·Σ s·r·Δ + (1 − α)²·Σ s²·‖Δ‖²: two sums
// over samples and one constant tell the error at any α.

/** A step: latents of the small SAE that it removes, and latents of the large one that it inserts. */
export interface Step {
  /** Latents of the small SAE. */
  removed: ArrayLike<number>;
  /** Latents of the large SAE. */
  inserted: ArrayLike<number>;
}

/** How steps are measured. */
export interface StepOptions {
  /** Whether each step starts from the base again, not from the end of the previous step. */
  apart: boolean;
  /** Latents of the large SAE in the base, in addition to the small SAE (default: none). */
  base?: ArrayLike<number>;
  /** Factors of all activations (default: 1). */
  gains?: Gains;
}

/** Factors of all activations of each SAE, as `withGain` makes them; 1: as they are. */
export interface Gains {
  /** Of the small SAE. */
  small: number;
  /** Of the large SAE. */
  large: number;
}

/** Parts of the error of a stitched SAE. */
export interface ErrorSums {
  /** Σ over samples of ‖r‖². */
  squares: number;
  /** Σ over samples of s·r·Δ. */
  projection: number;
}

/** Changes by each step, summed over samples. */
export interface StepSums {
  /** Of the base, before any step. */
  base: ErrorSums & { active: number };
  /** [steps] change of Σ‖r‖² by each step. */
  squares: Float64Array;
  /** [steps] change of Σ s·r·Δ by each step. */
  projection: Float64Array;
  /** [steps] change of the number of active latents by each step. */
  active: Float64Array;
  /** Σ s²·‖Δ‖². */
  bias: number;
}

/**
 * Measures steps; no two of them, nor the base, change the same latent. Every sample visits its own active
 * latents once, about L0 of both SAEs: as long as decoding takes, for any number of steps. Memory is that of a batch.
 */
export function measureSteps(
  { small, large, walker, products }: Pair,
  steps: readonly Step[],
  { apart, base = [], gains = { small: 1, large: 1 } }: StepOptions,
): Measure<StepSums> {
  const stepOf = numberLatents(small, large, steps);
  const ofBase = numberLatents(small, large, [{ removed: [], inserted: base }]);
  const { difference, squares: rowSquares, along } = products();
  const sums: StepSums = {
    base: { squares: 0, projection: 0, active: 0 },
    squares: new Float64Array(steps.length),
    projection: new Float64Array(steps.length),
    active: new Float64Array(steps.length),
    bias: 0,
  };
  let weight = 0;
  return {
    async add(batch) {
      const { rows } = batch.x;
      const { scale } = batch.normalized;
      const order = (stepOf: Int32Array, steps: number) => {
        const entries = orderEntries(batch.small.codes, batch.large.codes, stepOf, steps);
        scaleEntries(entries, scale, gains, small.dictSize);
        return entries;
      };
      const insertions = base.length > 0 ? order(ofBase, 1) : undefined;
      const residual = await leaveBase(walker, baseResidual(batch, small.bDec, gains), insertions);
      addBase(sums.base, residual, difference, scale);
      sums.base.active += batch.small.codes.latents.length + (insertions?.latents.length ?? 0);

      const entries = order(stepOf, steps.length);
      const restart = apart ? firstOfSteps(entries) : undefined;
      const { dots } = await walker.run({ ...entries, rows, base: residual, restart });
      for (let row = 0; row < rows; row++) {
        for (let at = entries.rowOffsets[row]; at < entries.rowOffsets[row + 1]; at++) {
          const value = entries.values[at];
          const latent = entries.latents[at];
          const step = entries.steps[at];
          sums.squares[step] += value * (value * rowSquares[latent] - 2 * dots[at]);
          sums.projection[step] -= value * scale[row] * along[latent];
          sums.active[step] += latent < small.dictSize ? -1 : 1;
        }
        weight += scale[row] ** 2;
      }
    },
    result() {
      sums.bias = weight * difference.reduce((sum, value) => sum + value * value, 0);
      return sums;
    },
  };
}

/** [m₀ + m₁] the step of each latent, those of the small SAE first; −1: none. */
function numberLatents(small: Sae, large: Sae, steps: readonly Step[]): Int32Array {
  const stepOf = new Int32Array(small.dictSize + large.dictSize).fill(-1);
  for (const [step, { removed, inserted }] of steps.entries()) {
    for (let at = 0; at < removed.length; at++) stepOf[removed[at]] = step;
    for (let at = 0; at < inserted.length; at++) stepOf[small.dictSize + inserted[at]] = step;
  }
  return stepOf;
}

/** The small SAE's residuals; with a gain g: r − (g − 1)·u, u being what its latents decode to. */
function baseResidual(
  { normalized: { x, scale }, small: { residual } }: PairBatch,
  bDec: Float32Array,
  { small: gain }: Gains,
): Float32Array {
  if (gain === 1) return residual;
  const d = x.cols;
  return residual.map((r, at) => {
    const decoded = scale[Math.floor(at / d)] * (x.data[at] - bDec[at % d]) - r;
    return r - (gain - 1) * decoded;
  });
}

/** The residuals after the base's latents are subtracted. */
async function leaveBase(
  walker: Walker,
  base: Float32Array,
  insertions: OrderedEntries | undefined,
): Promise<Float32Array> {
  if (!insertions || insertions.latents.length === 0) return base;
  const rows = insertions.rowOffsets.length - 1;
  const { residual } = await walker.run({ ...insertions, rows, base }, { residual: true });
  return residual!;
}

function scaleEntries(
  { rowOffsets, latents, values }: OrderedEntries,
  scale: Float32Array,
  gains: Gains,
  smallSize: number,
): void {
  for (let row = 0; row < scale.length; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
      values[at] *= scale[row] * (latents[at] < smallSize ? gains.small : gains.large);
    }
  }
}

/** 1 where an entry is the first of its row and step. */
function firstOfSteps({ rowOffsets, steps }: OrderedEntries): Uint8Array {
  const first = new Uint8Array(steps.length);
  for (let row = 0; row + 1 < rowOffsets.length; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
      first[at] = at === rowOffsets[row] || steps[at] !== steps[at - 1] ? 1 : 0;
    }
  }
  return first;
}

function addBase(
  sums: ErrorSums,
  residual: Float32Array,
  difference: Float64Array,
  scale: Float32Array,
): void {
  const d = difference.length;
  for (let row = 0; row < scale.length; row++) {
    let projection = 0;
    for (let c = 0; c < d; c++) {
      const value = residual[row * d + c];
      sums.squares += value * value;
      projection += value * difference[c];
    }
    sums.projection += scale[row] * projection;
  }
}

/** Active latents of both SAEs in the order in which a path reaches them, row by row. */
interface OrderedEntries {
  /** [rows + 1] offsets into the entries. */
  rowOffsets: Uint32Array;
  /** Latent of each entry: small ones as they are, large ones after all small ones. */
  latents: Uint32Array;
  /** Activation of each inserted entry, negated for removed ones. */
  values: Float32Array;
  /** Step of each entry, ascending within a row. */
  steps: Uint32Array;
}

/**
 * Sorts the active latents of samples by the step of a path that changes them.
 *
 * @param small Codes of the small SAE, whose latents a step removes.
 * @param large Codes of the large SAE for the same samples, whose latents a step inserts.
 * @param stepOf [m₀ + m₁] the step of each latent, small ones first; −1 where none changes it.
 * @param steps Number of steps.
 * @returns Entries of latents that have a step; within a step small ones first, then by latent.
 */
function orderEntries(
  small: SparseMatrix,
  large: SparseMatrix,
  stepOf: Int32Array,
  steps: number,
): OrderedEntries {
  const rows = small.rows;
  const sides = [
    { codes: small, first: 0, sign: -1 },
    { codes: large, first: small.cols, sign: 1 },
  ];
  const stepEnds = new Uint32Array(steps + 1);
  const rowOffsets = new Uint32Array(rows + 1);
  for (const { codes, first } of sides) {
    for (let row = 0; row < rows; row++) {
      for (let at = codes.rowOffsets[row]; at < codes.rowOffsets[row + 1]; at++) {
        const step = stepOf[first + codes.latents[at]];
        if (step < 0) continue;
        stepEnds[step + 1]++;
        rowOffsets[row + 1]++;
      }
    }
  }
  for (let step = 0; step < steps; step++) stepEnds[step + 1] += stepEnds[step];
  for (let row = 0; row < rows; row++) rowOffsets[row + 1] += rowOffsets[row];
  // Two counting sorts, by step and then by row, each keeping the order of equals: unlike a sort of
  // each row, their time does not depend on the number of active latents per sample.
  const length = rowOffsets[rows];
  const byStep = { rows: new Uint32Array(length), entries: emptyEntries(length) };
  for (const { codes, first, sign } of sides) {
    for (let row = 0; row < rows; row++) {
      for (let at = codes.rowOffsets[row]; at < codes.rowOffsets[row + 1]; at++) {
        const latent = first + codes.latents[at];
        const step = stepOf[latent];
        if (step < 0) continue;
        const to = stepEnds[step]++;
        byStep.rows[to] = row;
        byStep.entries.latents[to] = latent;
        byStep.entries.values[to] = sign * codes.values[at];
        byStep.entries.steps[to] = step;
      }
    }
  }
  const ordered = emptyEntries(length);
  const next = rowOffsets.slice();
  for (let at = 0; at < length; at++) {
    const to = next[byStep.rows[at]]++;
    ordered.latents[to] = byStep.entries.latents[at];
    ordered.values[to] = byStep.entries.values[at];
    ordered.steps[to] = byStep.entries.steps[at];
  }
  return { rowOffsets, ...ordered };
}

function emptyEntries(length: number): Omit<OrderedEntries, "rowOffsets"> {
  return {
    latents: new Uint32Array(length),
    values: new Float32Array(length),
    steps: new Uint32Array(length),
  };
}

/** How many latents of each SAE are present. */
export interface LatentCounts {
  /** |L₀|. */
  small: number;
  /** |L₁|. */
  large: number;
}

/** 1 − α: the large SAE's share of the decoder bias in Eq. 5. */
function largeShare({ small, large }: LatentCounts): number {
  return large / (small + large);
}

/** Σ over samples of ‖e‖². `bias` is Σ s²·‖Δ‖². */
export function mixedError(
  { squares, projection }: ErrorSums,
  bias: number,
  counts: LatentCounts,
): number {
  const share = largeShare(counts);
  return squares + 2 * share * projection + share * share * bias;
}

/**
 * By how much Σ‖e‖² changes: {@linkcode mixedError} after a change less that before it, without the loss of
 * digits that subtracting the two would bring (one latent of thousands changes the last ones only).
 */
export function mixedErrorChange(
  before: ErrorSums,
  change: ErrorSums,
  bias: number,
  counts: { before: LatentCounts; after: LatentCounts },
): number {
  const [from, to] = [largeShare(counts.before), largeShare(counts.after)];
  return change.squares + 2 * to * change.projection +
    (to - from) * (2 * before.projection + (to + from) * bias);
}
