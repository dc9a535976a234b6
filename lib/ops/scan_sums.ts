import type { Thread } from "../device/cpu_stage.ts";
import { dot } from "./arithmetic.ts";

const f = Math.fround;

/** Sums of an 8-bit product [latents, rows], and the scales of its rows. */
export interface Sums {
  sums: Int32Array;
  /** [rows] of the samples. */
  scale: Float32Array;
  rows: number;
  latents: number;
}

/**
 * Lists the pairs whose estimate may reach its cut: writes i · rows + r to `out`, ascending, for all
 * latents i and rows r with sums[i, r] · scale[r] − rowCuts[r] · inverse[i] ≥ least[i]. Returns their
 * number; `out` must have rows · latents elements.
 */
export function scanSums(
  { sums, scale, rows, latents }: Sums,
  rowCuts: Float32Array,
  inverse: Float32Array,
  least: Float32Array,
  out: Uint32Array,
): number {
  let count = 0;
  for (let i = 0, at = 0; i < latents; i++) {
    const [inv, low] = [inverse[i], least[i]];
    for (let r = 0; r < rows; r++, at++) {
      if (f(f(sums[at] * scale[r]) - f(rowCuts[r] * inv)) >= low) out[count++] = at;
    }
  }
  return count;
}

/** {@linkcode scanSums} on a thread, by SIMD where available. */
export function scanSumsOn({ simd }: Thread): typeof scanSums {
  if (!simd) return scanSums;
  return ({ sums, scale, rows, latents }, rowCuts, inverse, least, out) =>
    simd.scanSums(
      sums.byteOffset,
      scale.byteOffset,
      rowCuts.byteOffset,
      rows,
      inverse.byteOffset,
      least.byteOffset,
      latents,
      out.byteOffset,
    );
}

/**
 * Exact dots of pairs i · rows + r: out[j] = x[r] · w[latents[i]]; x and w have rows of d numbers.
 */
export function dotPairs(
  pairs: Uint32Array,
  count: number,
  rows: number,
  { x, w, latents, d }: { x: Float32Array; w: Float32Array; latents: Uint32Array; d: number },
  out: Float32Array,
): void {
  for (let j = 0; j < count; j++) {
    const i = Math.floor(pairs[j] / rows);
    out[j] = dot(x, (pairs[j] - i * rows) * d, w, latents[i] * d, d);
  }
}

/** {@linkcode dotPairs} on a thread, by SIMD where available. */
export function dotPairsOn({ simd }: Thread): typeof dotPairs {
  if (!simd) return dotPairs;
  return (pairs, count, rows, { x, w, latents, d }, out) =>
    simd.dotPairs(
      pairs.byteOffset,
      count,
      rows,
      x.byteOffset,
      w.byteOffset,
      latents.byteOffset,
      d,
      out.byteOffset,
    );
}

/**
 * best[g, r] = max(best[g, r], sums[i, r] · scale[r] · step[i] + less[i]) over the latents i of group g.
 * Latent i belongs to group (group + i) mod groups.
 */
export function groupMaxima(
  { sums, scale, rows, latents }: Sums,
  step: Float32Array,
  less: Float32Array,
  best: Float32Array,
  { group, groups }: { group: number; groups: number },
): void {
  for (let i = 0, at = 0; i < latents; i++) {
    const own = (group + i) % groups * rows;
    for (let r = 0; r < rows; r++, at++) {
      const value = f(f(f(sums[at] * scale[r]) * step[i]) + less[i]);
      if (value > best[own + r]) best[own + r] = value;
    }
  }
}

/** {@linkcode groupMaxima} on a thread, by SIMD where available. */
export function groupMaximaOn({ simd }: Thread): typeof groupMaxima {
  if (!simd) return groupMaxima;
  return ({ sums, scale, rows, latents }, step, less, best, { group, groups }) =>
    simd.groupMaxima(
      sums.byteOffset,
      scale.byteOffset,
      rows,
      step.byteOffset,
      less.byteOffset,
      latents,
      best.byteOffset,
      group % groups,
      groups,
    );
}
