import type { Matrix } from "../matrix.ts";
import type { Sae } from "./sae.ts";

/** An SAE's decoder rows [dictSize, dModel] as they are, not copied; rows that are given stay those. */
export function decoderRows(source: Sae | Matrix): Matrix {
  if (!("wDec" in source)) return source;
  return { data: source.wDec, rows: source.dictSize, cols: source.dModel };
}
