import type { Matrix } from "../matrix.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * SHA-256 over the bytes of the rows, in hexadecimal: it tells an SAE from every other one of its
 * shape, another seed or a few more steps. 49152 × 768 rows: about 0.3 s.
 */
export async function rowsDigest({ data }: Matrix): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as Float32Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** {@linkcode rowsDigest} of an SAE's decoder rows: results and dashboards of one SAE are found by it. */
export async function decoderDigest(sae: Sae): Promise<string> {
  return await rowsDigest(decoderRows(sae));
}
