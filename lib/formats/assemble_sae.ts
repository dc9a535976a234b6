import { checkSae } from "../sae/check.ts";
import type { Sae } from "../sae/sae.ts";
import { foldDecoderNorm } from "./fold_weights.ts";
import { foldGate } from "./gated_encoder.ts";
import type { LoadRequest } from "./load_request.ts";
import { readSaeConfig } from "./sae_config.ts";
import { refuseForeignTensors } from "./refuse_config.ts";
import { checkShape, readMatrix, readTensor, type TensorFile } from "./tensor_file.ts";

/** A matrix of a file: its name, and whether its rows are latents ([m, d]). */
export type NamedMatrix = readonly [name: string, layout: "[m, d]" | "[d, m]"];

/** The roles of a file's tensors. The encoder's shape decides d and m. */
export interface WeightNames {
  /** Encoder. */
  wEnc: NamedMatrix;
  /** Decoder. */
  wDec: NamedMatrix;
  /** Encoder bias [m]; the magnitude's of a gated SAE. */
  bEnc: string;
  /** Decoder bias [d]; absent: zeros. */
  bDec?: string;
  /** Threshold: a tensor [m] or of one number, its logarithm, or a number for all latents. */
  threshold?: string | { log: string } | number;
  /** Of a gated SAE: bias of the gate [m], and the logarithm of the magnitude's scale [m]. */
  gate?: { bias: string; logScale: string };
}

/** Config and tensor names of a published SAE. */
export interface PublishedSae {
  /** Name of the format, kept as `metadata.format`. */
  format: string;
  /** The file that the config is from, for errors; the weights where there is none. */
  configPath: string;
  /**
   * The config in SAELens's terms, without `d_in` and `d_sae`, which the weights tell. Unknown keys are kept as they
   * are and end up in the metadata.
   */
  config: Readonly<Record<string, unknown>>;
  /** Names of its tensors. */
  weights: WeightNames;
  /** The factor of "expected_average_only_in", where the config says that; undefined where unknown. */
  inputScale?: number;
  /** What was already folded into the weights. */
  folded?: readonly string[];
}

/**
 * Makes an SAE of the tensors of another library's file.
 *
 * @throws {Error} A tensor is missing or has another shape, a number is not finite, the config does not fit.
 */
export async function assembleSae(
  file: TensorFile,
  { format, configPath, config, weights, inputScale, folded = [] }: PublishedSae,
  { source, overrides, onNote, signal }: LoadRequest,
): Promise<Sae> {
  const { wEnc, wDec, bEnc, bDec, threshold, gate } = weights;
  const { d, m } = sizesOf(file, wEnc);
  const completed = { d_in: d, d_sae: m, ...config, ...overrides };
  const parsed = readSaeConfig(configPath, completed, overrides);
  const { rescaleByDecoderNorm, scalesActivations: _, own: __, gated, ...described } = parsed;
  const { note, trained: ___, ...fields } = described;
  if (note !== undefined) onNote?.(note, "inputTransform");
  refuseForeignTensors(file.path, file.tensors.keys(), gated);
  if (fields.dModel !== d || fields.dictSize !== m) {
    throw new Error(
      `${wEnc[0]} is of ${d} dimensions and ${m} latents, the config says ${fields.dModel} and ` +
        `${fields.dictSize}, in ${file.path}`,
    );
  }
  checkMatrix(file, wEnc, d, m);
  checkMatrix(file, wDec, d, m);
  for (const name of [bEnc, gate?.bias, gate?.logScale]) {
    if (name !== undefined) checkShape(file, name, [m], "[dictSize]");
  }
  if (bDec !== undefined) checkShape(file, bDec, [d], "[dModel]");

  const sae: Sae = {
    ...fields,
    ...(inputScale === undefined ? {} : { inputScale }),
    wEnc: await readMatrix(file, wEnc[0], wEnc[1] === "[d, m]", signal),
    wDec: await readMatrix(file, wDec[0], wDec[1] === "[d, m]", signal),
    bEnc: await readTensor(file, bEnc, signal),
    bDec: bDec === undefined ? new Float32Array(d) : await readTensor(file, bDec, signal),
  };
  const notes = [...folded];
  if (threshold !== undefined) sae.threshold = await readThreshold(file, threshold, m, signal);
  try {
    if (gate) {
      const [bias, logScale] = [
        await readTensor(file, gate.bias, signal),
        await readTensor(file, gate.logScale, signal),
      ];
      Object.assign(sae, foldGate(sae, { bias, logScale, magnitude: sae.bEnc }));
      notes.push(GATE_NOTE);
    }
    checkSae(sae);
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${file.path}`);
  }
  if (rescaleByDecoderNorm) {
    foldDecoderNorm(sae);
    notes.push("rescale_acts_by_decoder_norm into the encoder, decoder rows have norm 1");
  }
  Object.assign(sae.metadata, { source, format }, notes.length > 0 ? { folded: notes } : {});
  return sae;
}

/** What `metadata.folded` says of a gated SAE. */
export const GATE_NOTE = "r_mag into the encoder, gate and magnitude into a threshold";

function sizesOf(file: TensorFile, [name, layout]: NamedMatrix): { d: number; m: number } {
  const found = file.tensors.get(name);
  if (!found) {
    const names = [...file.tensors.keys()].slice(0, 12).join(", ") || "no tensor";
    throw new Error(`${name} is missing, found ${names} in ${file.path}`);
  }
  const { shape } = found;
  if (shape.length !== 2 || shape.includes(0)) {
    throw new Error(
      `${name} is [${shape.join(", ")}], expected ${words(layout)} in ${file.path}`,
    );
  }
  const [d, m] = layout === "[d, m]" ? shape : shape.toReversed();
  return { d, m };
}

function checkMatrix(
  file: TensorFile,
  [name, layout]: NamedMatrix,
  d: number,
  m: number,
): void {
  checkShape(file, name, layout === "[d, m]" ? [d, m] : [m, d], words(layout));
}

function words(layout: NamedMatrix[1]): string {
  return layout === "[d, m]" ? "[dModel, dictSize]" : "[dictSize, dModel]";
}

async function readThreshold(
  file: TensorFile,
  threshold: NonNullable<WeightNames["threshold"]>,
  m: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (typeof threshold === "number") return new Float32Array(m).fill(threshold);
  const name = typeof threshold === "string" ? threshold : threshold.log;
  const single = file.tensors.get(name)?.shape.length === 0;
  checkShape(file, name, single ? [] : [m], single ? "one number" : "[dictSize]");
  const read = await readTensor(file, name, signal);
  const values = typeof threshold === "string" ? read : read.map(Math.exp);
  return single ? new Float32Array(m).fill(values[0]) : values;
}
