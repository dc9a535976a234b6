// How the activations of pairs of latents relate to their decoder rows, and the error to a latent's activity, in
// plain float64 on dense activations.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";
import { toDense } from "./sparse.ts";

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: number[]) => sum(values) / values.length;
const dot = (a: number[], b: number[]) => sum(a.map((value, i) => value * b[i]));

/** cos(a, b); NaN where one of them is zero. */
export const cosineOf = (a: number[], b: number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

/** The Pearson correlation; NaN where one of them is constant. */
export const correlationOf = (a: number[], b: number[]) => {
  const [meanA, meanB] = [mean(a), mean(b)];
  return cosineOf(a.map((value) => value - meanA), b.map((value) => value - meanB));
};

/** Activations of each latent over all samples, [m][n]. */
export function activationsOf(sae: Sae, batches: Matrix[]): number[][] {
  const rows = batches.flatMap((x) => {
    const dense = toDense(infer(sae, x).codes, sae.dictSize);
    return Array.from({ length: x.rows }, (_, r) => [
      ...dense.subarray(r * sae.dictSize, (r + 1) * sae.dictSize),
    ]);
  });
  return Array.from({ length: sae.dictSize }, (_, i) => rows.map((row) => row[i]));
}

/** One decoder row. */
export const decoderRow = ({ wDec, dModel: d }: Sae, latent: number) => [
  ...wDec.subarray(latent * d, (latent + 1) * d),
];

/** Mean squared error of an SAE over the samples where `active` holds and where it does not. */
export function errorsWhere(sae: Sae, batches: Matrix[], active: boolean[]) {
  const errors = batches.flatMap((x) => infer(sae, x).squaredErrors);
  return {
    active: mean(errors.filter((_, r) => active[r])),
    inactive: mean(errors.filter((_, r) => !active[r])),
  };
}
