// Training as the page shows it: `trainSae` on text, its latents encoded now and then.
import type { ActivationModel } from "../../activations/ordered_activations.ts";
import { streamActivations } from "../../activations/stream_activations.ts";
import type { Device } from "../../device/device.ts";
import { packTokenRows } from "../../language_model/token_rows.ts";
import type { Matrix, SparseMatrix } from "../../matrix.ts";
import { openInference } from "../../sae/inference.ts";
import type { Sae } from "../../sae/sae.ts";
import { saeOf } from "../../training/checkpoint.ts";
import type { StepRecord } from "../../training/step_record.ts";
import { trainSae } from "../../training/train_sae.ts";
import type { OpenedModel } from "./page_model.ts";
import { BATCH, type TrainSettings } from "./train_settings.ts";

/** Rows of text whose latents are shown: some 1,500 tokens. */
const SHOWN_ROWS = 12;
/** Steps from one look at the latents to the next, which costs as much as six steps: 30 looks a run. */
const stepsPerLook = (steps: number) => Math.max(5, Math.min(50, Math.ceil(steps / 30)));

/** The text whose latents are shown: the first rows, without BOS. */
export interface ShownText {
  /** Texts of the tokens, row after row. */
  tokens: string[];
  /** Tokens of a row. */
  rowLength: number;
}

/** The latents after a step, on the text that is shown. */
export interface ShownLatents extends Pick<SparseMatrix, "rowOffsets" | "latents" | "values"> {
  /** The step. */
  step: number;
  /** Squared error over that of the mean. */
  nmse: number;
}

/** What a run tells. */
export interface TrainWatch {
  /** The text that is shown, the model's width, and tokens of a row. */
  onText(text: ShownText, about: { dModel: number; contextLength: number }): void;
  /** Records of further steps. */
  onSteps(records: StepRecord[]): void;
  /** The latents as they are now. */
  onLatents(latents: ShownLatents): void;
}

/**
 * Activations of documents in batches, over and over, as `saewing train` reads them: rows of 128 tokens, or of all
 * where there are fewer, shuffled. A text that is less than a batch is a batch of its own.
 */
export function trainingBatches(
  model: ActivationModel,
  documents: string[],
  seed: number,
): { batches: AsyncGenerator<Matrix>; contextLength: number } {
  let tokens = -1;
  for (const text of documents) if (tokens < 2 * BATCH) tokens += 1 + model.tokenize(text).length;
  const contextLength = Math.max(2, Math.min(128, model.maxContext, tokens + 1));
  const perRow = contextLength - 1;
  const options = {
    ...{ contextLength, batchSize: BATCH, bufferRows: 16 * BATCH },
    keepLast: perRow * Math.floor(tokens / perRow) < BATCH,
  };
  const epochs = async function* () {
    for (let epoch = 0;; epoch++) {
      yield* streamActivations(model, documents, { ...options, seed: seed + epoch });
    }
  };
  return { batches: epochs(), contextLength };
}

/**
 * Trains a BatchTopK SAE on documents, and shows its latents on their first rows now and then.
 *
 * @throws What `trainSae` throws, or the text gives no batch.
 */
export async function trainAndShow(
  device: Device,
  model: OpenedModel,
  documents: string[],
  { dictSize, k, steps, seed }: TrainSettings,
  { onText, onSteps, onLatents }: TrainWatch,
  signal?: AbortSignal,
): Promise<Sae> {
  const { batches, contextLength } = trainingBatches(model, documents, seed);
  const { x, tokens } = await shownActivations(model, documents, contextLength);
  onText({ tokens, rowLength: contextLength - 1 }, { dModel: model.dModel, contextLength });
  const show = async (sae: Sae, step: number) => {
    using inference = openInference(device, sae, { selection: "batch" });
    const { codes, squaredErrors } = await inference.run(x);
    const { rowOffsets, latents, values } = codes;
    const nmse = squaredErrors.reduce((a, b) => a + b, 0) / spread(x);
    onLatents({ step, rowOffsets, latents, values, nmse });
  };
  const { sae } = await trainSae(device, batches, {
    ...{ architecture: "batchtopk", dictSize, k, steps, seed, signal },
    recordEvery: 5,
    onProgress: ({ records }) => onSteps(records),
    checkpoint: {
      every: stepsPerLook(steps),
      save: async (checkpoint) => await show(saeOf(checkpoint), checkpoint.steps),
    },
  });
  return sae;
}

async function shownActivations(
  model: OpenedModel,
  documents: string[],
  contextLength: number,
): Promise<{ x: Matrix; tokens: string[] }> {
  const rows = packTokenRows(model, documents, { contextLength, maxRows: SHOWN_ROWS });
  const parts: Float32Array[] = [];
  const tokens: string[] = [];
  for await (const row of rows) {
    const { data, cols } = await model.activations(row, 1);
    parts.push(data.slice(cols));
    for (const token of row.subarray(1)) tokens.push(model.tokenText(token));
  }
  const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { x: { data, rows: tokens.length, cols: model.dModel }, tokens };
}

/** Σ (x − x̄)². */
function spread({ data, rows, cols }: Matrix): number {
  let sum = 0;
  for (let j = 0; j < cols; j++) {
    let [mean, squares] = [0, 0];
    for (let i = 0; i < rows; i++) mean += data[i * cols + j] / rows;
    for (let i = 0; i < rows; i++) squares += (data[i * cols + j] - mean) ** 2;
    sum += squares;
  }
  return sum;
}
