import { transformerLensName } from "../language_model/model_names.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import { decoderNorm } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { keysToWrite, METADATA_KEYS, reshapeOf } from "./carried_keys.ts";
import { isRecord, type Json } from "./config_values.ts";
import { isWrittenPoint } from "./published_facts.ts";
import { MARKER_VERSION, ourArchitecture } from "./sae_config.ts";

// Without a version of 6 or above SAELens reads a config as the flat one of its earlier versions.
const saeLensVersion = "6.18.0";

// SAEs trained here hold their rows at 1 to about 1e-6.
const NORM_TOLERANCE = 1e-5;

/**
 * The `cfg.json` (SAELens 6) of an SAE. What it has no key for is kept in `metadata.saewing`, so
 * that `parseSaeConfig` gives back the same architecture, k, input scale and metadata; what a config of
 * SAELens said beside goes back to where it was (`metadata.saeLens` and `saeLensConfig` of the SAE).
 *
 * SAELens has no place for the factor of "expected_average_only_in" and does not apply it when an SAE runs:
 * it is folded into the weights that go with this config, which says "none".
 *
 * @param stored The SAE with the weights that are stored, the factor folded in.
 */
export function saeConfig(sae: Sae, stored: Sae): Json {
  const kind = architectureOf(sae.architecture);
  const { saeLens, saeLensConfig } = keysToWrite(sae.metadata);
  const metadata: Json = { ...withoutTraining(saeLens, sae), sae_lens_version: saeLensVersion };
  for (const [ours, theirs, , type] of METADATA_KEYS) {
    const value = sae.metadata[ours];
    const found = typeof value;
    if (found === type) {
      metadata[theirs] = ours === "model" ? transformerLensName(String(value)) : value;
    }
  }
  metadata.model_from_pretrained_kwargs = modelOptions(sae, saeLens);
  if (kind.threshold === "measured") {
    metadata.training_architecture = sae.architecture;
    const details = saeLens.training_architecture_details;
    metadata.training_architecture_details = { ...(isRecord(details) ? details : {}), k: sae.k };
  }
  metadata.saewing = {
    version: MARKER_VERSION,
    architecture: sae.architecture,
    ...(sae.k === undefined ? {} : { k: sae.k }),
    ...(sae.inputTransform === undefined ? {} : { inputTransform: sae.inputTransform }),
    ...(sae.inputScale === undefined ? {} : { inputScale: sae.inputScale }),
    metadata: sae.metadata,
  };
  return {
    reshape_activations: reshapeOf(sae.metadata.hook),
    ...saeLensConfig,
    architecture: kind.saeLens.saved,
    d_in: sae.dModel,
    d_sae: sae.dictSize,
    dtype: "float32",
    device: "cpu",
    ...(kind.threshold === "none"
      // The same for rows of norm 1, and says that they are: SAELens refuses to fold norms without it.
      ? { k: sae.k, rescale_acts_by_decoder_norm: hasUnitRows(stored) }
      : {}),
    apply_b_dec_to_input: sae.subtractDecoderBias,
    normalize_activations: sae.inputScale === undefined ? sae.inputNormalization : "none",
    metadata,
  };
}

/** How SAELens is to load the model: it fails where a config does not say so, be it nothing. */
function modelOptions({ inputTransform, metadata }: Sae, saeLens: Json): Json {
  const carried = saeLens.model_from_pretrained_kwargs;
  const options: Json = { ...(isRecord(carried) ? carried : {}) };
  if (inputTransform === "center") options.center_writing_weights = true;
  else if (isWrittenPoint(metadata.hook)) delete options.center_writing_weights;
  return options;
}

/** The notes without what they say of a training that is not the SAE's any more. */
function withoutTraining(notes: Json, { architecture }: Sae): Json {
  const { training_architecture, training_architecture_details: _, ...rest } = notes;
  return ourArchitecture[String(training_architecture)] === architecture ? notes : rest;
}

function hasUnitRows(sae: Sae): boolean {
  for (let i = 0; i < sae.dictSize; i++) {
    if (Math.abs(decoderNorm(sae, i) - 1) > NORM_TOLERANCE) return false;
  }
  return true;
}
