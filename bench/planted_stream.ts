import { createRandom, type Matrix } from "../mod.ts";
import { normal } from "../lib/meta/normal.ts";

const FEATURES = 1024;
/** Measured on Gemma 3 270M at blocks.9.hook_resid_pre without massive activations. */
const MEAN_NORM = 5420;
const DEVIATION_NORM = 1190;
/** The coordinate that has two thirds of the variance. */
const LOUD = 5;

/**
 * Synthetic activations like Gemma's: a mean 4.6 times as long as the deviations from it, one coordinate with
 * two thirds of the variance, and for the rest sums of 1024 fixed directions, the most frequent in half of
 * the samples, the rarest in 1 of 343.
 *
 * @param seed Of the samples; mean and directions are always the same.
 * @returns [rows, d].
 */
export function plantedStream(seed: number, rows: number, d = 128): Matrix {
  const fixed = createRandom(7);
  const directions = Float32Array.from({ length: FEATURES * d }, () => normal(fixed));
  for (let f = 0; f < FEATURES; f++) scaleTo(1, directions.subarray(f * d, (f + 1) * d));
  const mean = scaleTo(MEAN_NORM, Float32Array.from({ length: d }, () => normal(fixed)));
  const frequency = Array.from({ length: FEATURES }, (_, f) => Math.min(0.5, 3 / (f + 6)));
  // Strengths are uniform in 0.5 … 1.5, so that their mean square is 13/12.
  const active = frequency.reduce((sum, share) => sum + share, 0);
  const unit = DEVIATION_NORM * Math.sqrt(1 / 3 / (active * 13 / 12));
  const loud = DEVIATION_NORM * Math.sqrt(2 / 3);

  const random = createRandom(1000 + seed);
  const data = new Float32Array(rows * d);
  for (let at = 0; at < data.length; at += d) {
    data.set(mean, at);
    data[at + LOUD] += loud * normal(random);
    for (let f = 0; f < FEATURES; f++) {
      if (random.uniform() >= frequency[f]) continue;
      const strength = unit * (0.5 + random.uniform());
      for (let c = 0; c < d; c++) data[at + c] += strength * directions[f * d + c];
    }
  }
  return { data, rows, cols: d };
}

function scaleTo(norm: number, vector: Float32Array): Float32Array {
  const scale = norm / Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  vector.forEach((value, c) => vector[c] = value * scale);
  return vector;
}
