import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import { openInference } from "../sae/inference.ts";
import { transformInput } from "../sae/input_transform.ts";
import type { Sae } from "../sae/sae.ts";
import { checkRows } from "./check_rows.ts";
import { measureCodes, type MetaMeasures, rowVariance } from "./measure_meta_sae.ts";
import { rowsDigest } from "./rows_digest.ts";
import { singleErrors } from "./single_errors.ts";
import type { Explains } from "./train_meta_sae.ts";

/** The decomposition of an SAE's latents: plain data. */
export interface Decomposition extends MetaMeasures {
  /** [latents, meta-latents] the weights of each latent's meta-latents: f of its decoder row. */
  latents: SparseMatrix;
  /** [meta-latents, latents] the same weights, by meta-latent. */
  metaLatents: SparseMatrix;
  /** [latents] ‖w − ŵ‖² of each decoder row. */
  squaredErrors: Float32Array;
  /**
   * [latents] what the bias and the best single meta-latent leave of each decoder row, at the weight that
   * fits best: far above `squaredErrors` for a row that is a sum of several, about as much for a row that
   * is one meta-latent. Random rows are fitted better by several, too: see `covarianceMatchedRows`.
   */
  singleErrors: Float32Array;
  /** Mean over the decoder rows of ‖w − w̄‖². */
  variance: number;
}

/**
 * Decomposes the latents of an SAE (section 5): each decoder row is encoded by the meta-SAE, so
 * that w ≈ Σ weight · meta-decoder row + meta-decoder bias. A meta-latent is active where its
 * pre-activation is above its inference threshold (Eq. 8).
 *
 * @param meta A meta-SAE.
 * @param sae The SAE that it was trained on, or the rows.
 * @throws {RangeError} The meta-SAE was trained on another SAE (also on one of the same shape), or the
 * widths differ.
 */
export async function decompose(
  device: Device,
  meta: Sae,
  sae: Sae | Matrix,
): Promise<Decomposition> {
  const rows = decoderRows(sae);
  checkRows(rows, "sae.wDec");
  await checkExplains(meta, rows);
  using inference = openInference(device, meta);
  const { codes, squaredErrors } = await inference.run(rows);
  const own = transformInput(meta, rows);
  return {
    latents: codes,
    metaLatents: transpose(codes),
    squaredErrors,
    singleErrors: await singleErrors(device, meta, rows),
    variance: rowVariance(own) / rows.rows,
    ...measureCodes(own, codes, squaredErrors),
  };
}

/** @throws {RangeError} The rows are not those that the meta-SAE was trained on. */
export async function checkExplains(meta: Sae, source: Sae | Matrix): Promise<void> {
  const rows = decoderRows(source);
  if (meta.dModel !== rows.cols) {
    throw new RangeError(
      `sae has dModel ${rows.cols}, the meta-SAE ${meta.dModel}: it cannot explain this SAE`,
    );
  }
  const explains = meta.metadata.explains as Partial<Explains> | undefined;
  // A meta-SAE from elsewhere does not say: its width has to do.
  if (explains?.decoderDigest === undefined) return;
  const named = explains.name === undefined ? "" : ` (${explains.name})`;
  if (explains.dictSize !== rows.rows) {
    throw new RangeError(
      `sae has ${rows.rows} latents, the meta-SAE explains an SAE${named} with ${explains.dictSize}`,
    );
  }
  const digest = await rowsDigest(rows);
  if (digest !== explains.decoderDigest) {
    throw new RangeError(
      `sae is not the SAE${named} that the meta-SAE explains: it has the same shape, but other ` +
        `decoder rows (digest ${digest.slice(0, 12)}…, expected ` +
        `${String(explains.decoderDigest).slice(0, 12)}…)`,
    );
  }
}

/** Rows and columns exchanged; the entries of a row stay in ascending order. */
function transpose({ rows, cols, rowOffsets, latents, values }: SparseMatrix): SparseMatrix {
  const offsets = new Uint32Array(cols + 1);
  for (const col of latents) offsets[col + 1]++;
  for (let col = 0; col < cols; col++) offsets[col + 1] += offsets[col];
  const next = offsets.slice(0, cols);
  const turned = {
    latents: new Uint32Array(latents.length),
    values: new Float32Array(values.length),
  };
  for (let row = 0; row < rows; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
      const place = next[latents[at]]++;
      turned.latents[place] = row;
      turned.values[place] = values[at];
    }
  }
  return { rows: cols, cols: rows, rowOffsets: offsets, ...turned };
}
