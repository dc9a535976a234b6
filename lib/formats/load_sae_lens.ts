import { readRegularText } from "../language_model/regular_file.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import { checkSae } from "../sae/check.ts";
import type { Sae } from "../sae/sae.ts";
import { GATE_NOTE } from "./assemble_sae.ts";
import { findInputScale } from "./activation_scaler.ts";
import { foldActivationScale, foldDecoderNorm, unfoldInputScale } from "./fold_weights.ts";
import { foldGate } from "./gated_encoder.ts";
import type { LoadRequest } from "./load_request.ts";
import { refuseForeignTensors } from "./refuse_config.ts";
import { parseSaeConfig } from "./sae_config.ts";
import { openSafetensors } from "./safetensors.ts";
import { checkBelongs, checkedWeights, findConfig } from "./sealed_weights.ts";
import { checkShape, readMatrix, readTensor } from "./tensor_file.ts";

/**
 * Loads the SAE of a SAELens folder: its `cfg.json`, of any version, and its weights.
 *
 * @param config The path of `cfg.json`.
 * @param weights The path of the safetensors file.
 * @throws {Error} The config or the weights are malformed, damaged, do not fit each other, or are no plain SAE's.
 */
export async function loadSaeLens(
  config: string,
  weights: string,
  { source, overrides, onNote, signal }: LoadRequest,
): Promise<Sae> {
  const found = await findConfig(config, weights);
  const path = found?.path ?? config;
  const parsed = parseSaeConfig(path, found?.text ?? readRegularText(config), overrides);
  const { rescaleByDecoderNorm, scalesActivations, gated, trained, note, own, ...fields } = parsed;
  const { dModel: d, dictSize: m, architecture } = fields;

  await using opened = await openSafetensors(weights);
  checkBelongs(path, parsed, opened, overrides);
  const { file, check } = checkedWeights(opened);
  const { tensors } = file;
  refuseForeignTensors(weights, tensors.keys(), gated);
  const bEnc = gated ? "b_mag" : "b_enc";
  checkShape(file, "W_enc", [d, m], "[dModel, dictSize]");
  checkShape(file, "W_dec", [m, d], "[dictSize, dModel]");
  for (const name of gated ? [bEnc, "b_gate", "r_mag"] : [bEnc]) {
    checkShape(file, name, [m], "[dictSize]");
  }
  checkShape(file, "b_dec", [d], "[dModel]");
  const kind = architectureOf(architecture);
  const hasThreshold = !gated && kind.threshold === "learned" || tensors.has("threshold");
  if (hasThreshold) checkShape(file, "threshold", [m], "[dictSize]");
  if (hasThreshold && (kind.threshold === "zero" || kind.threshold === "none")) {
    throw new Error(
      `threshold is there, which a ${architecture} SAE has not: is this a jumprelu SAE? in ${weights}`,
    );
  }

  const sae: Sae = {
    ...fields,
    wEnc: await readMatrix(file, "W_enc", true, signal),
    wDec: await readMatrix(file, "W_dec", false, signal),
    bEnc: await readTensor(file, bEnc, signal),
    bDec: await readTensor(file, "b_dec", signal),
  };
  if (hasThreshold) sae.threshold = await readTensor(file, "threshold", signal);
  else if (kind.threshold === "measured" && tensors.has("topk_threshold")) {
    checkShape(file, "topk_threshold", [], "one number");
    sae.threshold = new Float32Array(m).fill((await readTensor(file, "topk_threshold"))[0]);
  }
  if (trained && isConstant(sae.threshold)) Object.assign(sae, trained);
  check();
  if (fields.inputScale !== undefined) unfoldInputScale(sae, fields.inputScale);
  const folded: string[] = [];
  if (gated) {
    const [bias, logScale] = [
      await readTensor(file, "b_gate", signal),
      await readTensor(file, "r_mag", signal),
    ];
    Object.assign(sae, foldGate(sae, { bias, logScale, magnitude: sae.bEnc }));
    folded.push(GATE_NOTE);
  }
  for (const name of ["scaling_factor", "finetuning_scaling_factor"]) {
    if (!tensors.has(name)) continue;
    checkShape(file, name, [m], "[dictSize]");
    const scale = await readTensor(file, name, signal);
    // SAELens wrote factors of one into every SAE for a while.
    if (scale.every((factor) => factor === 1)) continue;
    if (!scalesActivations) {
      throw new Error(
        `${name} is not all ones, but finetuning_scaling_factor is not true in ${config}: ` +
          `it is unclear whether activations are scaled, in ${weights}`,
      );
    }
    const bad = scale.findIndex((factor) => !Number.isFinite(factor));
    if (bad >= 0) throw new Error(`${name}[${bad}] is ${scale[bad]}, in ${weights}`);
    foldActivationScale(sae, scale);
    folded.push(`${name} into the decoder`);
  }
  try {
    checkSae(sae);
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${weights}`);
  }
  if (rescaleByDecoderNorm) {
    foldDecoderNorm(sae);
    folded.push("rescale_acts_by_decoder_norm into the encoder, decoder rows have norm 1");
  }
  if (note !== undefined) onNote?.(note, "inputTransform");
  if (!own) findInputScale(sae, weights, onNote);
  if (!own) Object.assign(sae.metadata, { source, format: "saelens" });
  if (folded.length > 0) sae.metadata.folded = folded;
  return sae;
}

/** Whether thresholds are what a batchtopk SAE has: one for all. */
function isConstant(threshold: Float32Array | undefined): boolean {
  return threshold?.every((value) => value === threshold[0]) === true;
}
