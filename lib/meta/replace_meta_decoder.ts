import type { Gpu } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { maxDecoderCosine } from "../stitching/max_decoder_cosine.ts";
import { checkRows } from "./check_rows.ts";
import { checkExplains } from "./decompose.ts";
import { measureMetaSae, type MetaMeasures } from "./measure_meta_sae.ts";
import { type MetaSaeOptions, type TrainedMetaSae, trainMetaSae } from "./train_meta_sae.ts";

/** A meta-SAE whose decoder rows are those of another SAE. */
export interface ReplacedMetaSae extends TrainedMetaSae {
  /** [meta-latents] which row of the other SAE each has now. */
  nearest: Uint32Array;
  /** [meta-latents] the cosine of the two rows. */
  cosine: Float32Array;
  /** The meta-SAE as it was, measured on the same rows. */
  before: MetaMeasures;
}

/**
 * Replaces each decoder row of a meta-SAE by the most similar decoder row of another SAE, at norm 1,
 * and trains the encoder again, on the rows that the meta-SAE explains, while the decoder (rows and
 * bias) stays as it is (Fig. 23, P28). Where the explained variance hardly falls, the SAE's latents
 * are composed of the other's.
 *
 * The encoder starts from the meta-SAE's own. Several meta-latents may get the same row.
 *
 * @param meta The meta-SAE.
 * @param sae The SAE that it explains, or the rows.
 * @param replacement The SAE to take rows from, or rows.
 * @param options Of training; what is not given is as in `trainMetaSae`.
 * @throws {RangeError} Widths differ, or the meta-SAE explains another SAE.
 */
export async function replaceMetaDecoder(
  gpu: Gpu,
  meta: Sae,
  sae: Sae | Matrix,
  replacement: Sae | Matrix,
  options: MetaSaeOptions = {},
): Promise<ReplacedMetaSae> {
  const rows = decoderRows(sae);
  checkRows(rows, "sae.wDec");
  await checkExplains(meta, rows);
  const others = decoderRows(replacement);
  checkRows(others, "replacement.wDec");
  const { cosine, nearest } = await maxDecoderCosine(gpu, meta, others);
  const before = await measureMetaSae(gpu, meta, rows);
  const { architecture, k, name } = { ...describe(meta), ...options };
  const trained = await trainMetaSae(gpu, sae, {
    ...options,
    architecture,
    k,
    name,
    initial: { ...meta, wDec: unitRowsAt(others, nearest) },
    freezeDecoder: true,
  });
  return { ...trained, nearest, cosine, before };
}

function describe({ architecture, k, metadata }: Sae): MetaSaeOptions {
  const { name } = metadata.explains as { name?: string } | undefined ?? {};
  return { architecture, k, name };
}

/** The rows that are asked for, each at norm 1. */
function unitRowsAt({ data, cols }: Matrix, rows: Uint32Array): Float32Array {
  const chosen = new Float32Array(rows.length * cols);
  rows.forEach((row, i) => {
    const own = data.subarray(row * cols, (row + 1) * cols);
    const norm = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
    for (let c = 0; c < cols; c++) chosen[i * cols + c] = norm > 0 ? own[c] / norm : 0;
  });
  return chosen;
}
