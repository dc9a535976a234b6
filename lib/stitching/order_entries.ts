import type { SparseMatrix } from "../matrix.ts";

/** Active latents of both SAEs in the order in which a path reaches them, row by row. */
export interface OrderedEntries {
  /** [rows + 1] offsets into the entries. */
  rowOffsets: Uint32Array;
  /** Latent of each entry: small ones as they are, large ones behind all of the small. */
  latents: Uint32Array;
  /** Activation of each entry that is put in, its negative where it is taken out. */
  values: Float32Array;
  /** Step of each entry, ascending within a row. */
  steps: Uint32Array;
}

/**
 * Sorts the active latents of samples by the step of a path that changes them.
 *
 * @param small Codes of the small SAE, whose latents a step takes out.
 * @param large Codes of the large SAE for the same samples, whose latents a step puts in.
 * @param stepOf [m₀ + m₁] the step of each latent, small ones first; −1 where none changes it.
 * @param steps Number of steps.
 * @returns Entries of latents that have a step; within a step small ones first, then by latent.
 */
export function orderEntries(
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
  // Two counting sorts, by step and then by row, each keeping the order of equals: their time does not
  // depend on how many latents are active in one sample, as that of a sort of each row would.
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
