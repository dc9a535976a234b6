import type { Matrix } from "../matrix.ts";
import type { Sae } from "./sae.ts";

/** An SAE's decoder rows [dictSize, dModel] as they are, not copied; rows that are given stay those. */
export function decoderRows(source: Sae | Matrix): Matrix {
  if (!("wDec" in source)) return source;
  return { data: source.wDec, rows: source.dictSize, cols: source.dModel };
}

/** Norm of a latent's decoder row, in float64. */
export function decoderNorm({ wDec, dModel: d }: Sae, latent: number): number {
  let squares = 0;
  for (let at = latent * d; at < (latent + 1) * d; at++) squares += wDec[at] * wDec[at];
  return Math.sqrt(squares);
}
