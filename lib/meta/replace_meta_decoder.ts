import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { makeUnitRows } from "../ops/unit_rows.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { maxDecoderCosine } from "../stitching/decoder_cosine.ts";
import { checkRows } from "./check_rows.ts";
import { covarianceMatchedRows } from "./covariance_matched_rows.ts";
import { checkExplains } from "./decompose.ts";
import { measureMetaSae, type MetaMeasures } from "./measure_meta_sae.ts";
import { randomUnitRows } from "./random_unit_rows.ts";
import { type MetaSaeOptions, type TrainedMetaSae, trainMetaSae } from "./train_meta_sae.ts";

/** A meta-SAE whose decoder rows are those of another SAE. */
export interface ReplacedMetaSae extends TrainedMetaSae {
  /** [meta-latents] which row of the other SAE each has now. */
  nearest: Uint32Array;
  /** [meta-latents] the cosine of the two rows. */
  cosine: Float32Array;
  /** The meta-SAE as it was, measured on the same rows. */
  before: MetaMeasures;
  /** The same with random rows, as many as the other SAE has, in place of its own. */
  controls: ReplacementControls;
}

/** What random rows explain, and how far the loss still moved at the end of that training. */
export interface ReplacementControl extends MetaMeasures {
  /** `metadata.lossChange` of the meta-SAE with these rows, where there were steps enough to tell. */
  lossChange?: number;
}

/** What is explained with random rows in place of a meta-SAE's decoder rows. */
export interface ReplacementControls {
  /** By random unit rows (`randomUnitRows`). */
  isotropic: ReplacementControl;
  /** By rows of the mean and covariance of the other SAE's (`covarianceMatchedRows`), where asked for. */
  matched?: ReplacementControl;
}

/** Options of {@linkcode replaceMetaDecoder}. */
export interface ReplacementOptions extends MetaSaeOptions {
  /** Whether rows of the other SAE's covariance are tried too (default true). It takes as long again. */
  matchedControl?: boolean;
}

/**
 * Replaces each decoder row of a meta-SAE by the most similar decoder row of another SAE, at norm 1,
 * and trains the rest again on the rows that the meta-SAE explains: encoder, encoder bias and decoder
 * bias learn, the new rows stay as they are (Fig. 23). Where the explained variance hardly falls,
 * the SAE's latents are composed of the other's.
 *
 * Random rows explain something too, once the rest is trained on them, so the same is done with random
 * rows in place of the other SAE's, and again the most similar of as many: only what is explained beyond
 * `controls` speaks for the other SAE. Each of them takes as long as the replacement itself.
 *
 * Training starts from the meta-SAE's own encoder and bias. Several meta-latents may get the same row.
 *
 * @param meta The meta-SAE.
 * @param sae The SAE that it explains, or the rows.
 * @param replacement The SAE to take rows from, or rows.
 * @param options Of training; what is not given is as in `trainMetaSae`. Checkpoints are those of the
 * replacement: its controls are trained from their beginning. `onProgress` is called for all of them.
 * @throws {RangeError} Widths differ, or the meta-SAE explains another SAE.
 * @throws The signal's reason, where it was aborted before the last training began.
 */
export async function replaceMetaDecoder(
  device: Device,
  meta: Sae,
  sae: Sae | Matrix,
  replacement: Sae | Matrix,
  { matchedControl = true, ...options }: ReplacementOptions = {},
): Promise<ReplacedMetaSae> {
  const rows = decoderRows(sae);
  checkRows(rows, "sae.wDec");
  await checkExplains(meta, rows);
  const others = decoderRows(replacement);
  checkRows(others, "replacement.wDec");
  const replaced = await trainWithRows(device, meta, rows, others, options);
  const { checkpoint: _, resume: __, startBatch: ___, ...anew } = options;
  const measure = async (random: Matrix): Promise<ReplacementControl> => {
    const trained = await trainWithRows(device, meta, rows, random, anew);
    const { explainedVariance, l0, deadMetaLatents } = trained;
    const { lossChange } = trained.meta.metadata as { lossChange?: number };
    const moved = lossChange === undefined ? {} : { lossChange };
    return { explainedVariance, l0, deadMetaLatents, ...moved };
  };
  const { seed = 0 } = options;
  const isotropic = await measure(randomUnitRows(others.rows, others.cols, { seed }));
  const matched = matchedControl
    ? { matched: await measure(covarianceMatchedRows(others, { rows: others.rows, seed })) }
    : {};
  const before = await measureMetaSae(device, meta, rows);
  return { ...replaced, before, controls: { isotropic, ...matched } };
}

/** Trains all but the directions again, these being the most similar rows of `others`. */
async function trainWithRows(
  device: Device,
  meta: Sae,
  rows: Matrix,
  others: Matrix,
  options: MetaSaeOptions,
): Promise<TrainedMetaSae & { cosine: Float32Array; nearest: Uint32Array }> {
  const { cosine, nearest } = await maxDecoderCosine(device, others, meta, {
    signal: options.signal,
  });
  const { architecture, k, name } = { ...describe(meta), ...options };
  // A checkpoint's run continues as it began: before, the bias was frozen too.
  const began = options.resume?.settings.freezeDecoder as boolean | "directions" | undefined;
  const trained = await trainMetaSae(device, rows, {
    ...options,
    architecture,
    k,
    name,
    initial: { ...meta, wDec: unitRowsAt(others, nearest) },
    freezeDecoder: began ?? "directions",
  });
  return { ...trained, cosine, nearest };
}

function describe({ architecture, k, metadata }: Sae): MetaSaeOptions {
  const { name } = metadata.explains as { name?: string } | undefined ?? {};
  return { architecture, k, name };
}

/** The rows that are asked for, each at norm 1. */
function unitRowsAt({ data, cols }: Matrix, rows: Uint32Array): Float32Array {
  const chosen = new Float32Array(rows.length * cols);
  rows.forEach((row, i) => chosen.set(data.subarray(row * cols, (row + 1) * cols), i * cols));
  makeUnitRows({ x: chosen, d: cols }, 0, rows.length);
  return chosen;
}
