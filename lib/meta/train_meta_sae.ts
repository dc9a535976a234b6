import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import type { StepRecord } from "../training/step_record.ts";
import type { AnyTrainOptions } from "../training/options.ts";
import { checkTrainOptions } from "../training/complete_options.ts";
import { preset } from "../training/presets.ts";
import { trainSae } from "../training/train_sae.ts";
import { checkWhole } from "../whole_number.ts";
import { checkRows } from "./check_rows.ts";
import { measureMetaSae, type MetaMeasures } from "./measure_meta_sae.ts";
import { rowsDigest } from "./rows_digest.ts";
import { shuffledEpochs } from "./shuffled_epochs.ts";

/** Options of {@linkcode trainMetaSae}: those of training, and how often the rows are read. */
export interface MetaSaeOptions extends Partial<AnyTrainOptions> {
  /** How often all decoder rows are read (default 2000), where `steps` does not say when to stop. */
  epochs?: number;
  /** Rows of a batch (default 4096, or all rows where there are fewer). */
  batchSize?: number;
  /** Name or path of the SAE that is explained, for the metadata. */
  name?: string;
}

/** A meta-SAE, and how well it explains the SAE. */
export interface TrainedMetaSae extends MetaMeasures {
  /** The meta-SAE: an SAE whose samples are decoder rows. `metadata.explains` says of which SAE. */
  meta: Sae;
  /** What each step did. */
  history: StepRecord[];
}

/** `metadata.explains` of a meta-SAE: the SAE whose decoder rows it was trained on. */
export interface Explains {
  /** Its name or path, where one was given. */
  name?: string;
  /** Its number of latents. */
  dictSize: number;
  /** Its activation width. */
  dModel: number;
  /** SHA-256 over its decoder rows, in hexadecimal. */
  decoderDigest: string;
}

/**
 * Trains a meta-SAE (section 5): an SAE whose samples are the decoder rows of another SAE, as
 * they are, neither centred nor scaled. The settings are those of the preset `paper/meta-sae`
 * (BatchTopK, 2304 meta-latents, k 4, 2000 epochs, learning rate 1e-4, batches of 4096) unless options
 * say otherwise; an `architecture` of another kind takes its own options. A dictionary larger than the
 * number of rows is refused.
 *
 * Each epoch reads every row once, in an order that the seed fixes. Dead meta-latents reconstruct what
 * the others leave, out of all of their positive pre-activations, so that they come back.
 *
 * @param device The open device.
 * @param sae The SAE, or rows [m, d] that take the place of its decoder (see `randomUnitRows`).
 * @returns The meta-SAE, a record of each step, and what it explains of the rows, measured with its
 * inference threshold.
 * @throws {RangeError | TypeError} The rows or an option do not fit.
 * @throws As `trainSae` does.
 *
 * @example A meta-SAE with a 21st of the latents
 * ```ts no-eval
 * import { loadSae, openDevice, saveSae } from "@saewing/saewing";
 * import { trainMetaSae } from "@saewing/saewing/meta";
 *
 * using device = await openDevice();
 * const sae = await loadSae("runs/2048");
 * const { meta, explainedVariance } = await trainMetaSae(device, sae, { dictSize: 98, name: "runs/2048" });
 * console.log(`${explainedVariance} of the variance explained`);
 * await saveSae(meta, "runs/2048-meta");
 * ```
 */
export async function trainMetaSae(
  device: Device,
  sae: Sae | Matrix,
  { epochs, batchSize, name, ...options }: MetaSaeOptions = {},
): Promise<TrainedMetaSae> {
  const rows = decoderRows(sae);
  checkRows(rows, "sae.wDec");
  const paper = preset("paper/meta-sae");
  const size = batchSize ?? Math.min(paper.batchSize, rows.rows);
  checkWhole(size, "batchSize");
  const read = epochs ?? paper.epochs!;
  checkWhole(read, "epochs");
  const steps = options.steps ?? Math.ceil(read * rows.rows / size);
  const settings = { ...defaults(options, paper.options), steps };
  const { dictSize, seed = 0, startBatch = 0 } = settings;
  if (dictSize !== undefined && dictSize > rows.rows) {
    throw new RangeError(
      `dictSize is ${dictSize}, but there are ${rows.rows} rows to explain: expected fewer meta-latents`,
    );
  }
  const explains: Explains = {
    ...(name === undefined ? {} : { name }),
    dictSize: rows.rows,
    dModel: rows.cols,
    decoderDigest: await rowsDigest(rows),
  };
  const { sae: meta, history } = await trainSae(
    device,
    shuffledEpochs(rows, size, seed, startBatch),
    checkTrainOptions({ ...settings, metadata: { ...settings.metadata, explains } }),
  );
  return { meta, history, ...await measureMetaSae(device, meta, rows) };
}

/** The paper's settings under those that are given; what belongs to BatchTopK only where it is meant. */
function defaults(given: Partial<AnyTrainOptions>, paper: AnyTrainOptions): AnyTrainOptions {
  const own = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { learningRate, beta1, beta2, dictSize } = paper;
  // A checkpoint and a starting SAE have a size of their own, and a checkpoint all options.
  if (given.resume) return own as unknown as AnyTrainOptions;
  const base = given.architecture === undefined || given.architecture === paper.architecture
    ? paper
    : { architecture: given.architecture, learningRate, beta1, beta2, dictSize };
  return {
    ...base,
    ...AS_THEY_ARE,
    ...(given.initial ? startOf(given.initial) : {}),
    ...own,
  };
}

/**
 * Rows are read as they are, and the decoder bias starts at zero, as in the paper, whatever the defaults
 * for activations are.
 */
const AS_THEY_ARE: Partial<AnyTrainOptions> = {
  bDec: "zero",
  inputNormalization: "none",
  lossNormalization: "none",
  warmupSteps: 0,
  decaySteps: 0,
  gradientClip: 0,
};

function startOf({ dictSize, inputTransform, inputNormalization }: Sae): Partial<AnyTrainOptions> {
  return { dictSize, inputTransform, inputNormalization };
}
