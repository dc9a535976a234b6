import { type Architecture, architectureOf, ARCHITECTURES } from "../sae/architectures/registry.ts";
import { kRange, validK } from "../sae/check.ts";
import type { InputNormalization, Sae } from "../sae/sae.ts";
import { isWhole } from "../whole_number.ts";
import { parseConfig } from "./parse_config.ts";
import { publishedTransform } from "./published_transform.ts";
import { refuseForeign, refuseHiddenTopK } from "./refuse_config.ts";

/** What a `cfg.json` says about an SAE, in our names. */
export interface SaeConfig extends
  Pick<
    Sae,
    | "architecture"
    | "dModel"
    | "dictSize"
    | "k"
    | "subtractDecoderBias"
    | "inputTransform"
    | "metadata"
  > {
  /** Normalisation of the input. */
  inputNormalization: InputNormalization;
  /** expected_average_only_in: the factor, which the stored weights have in them. */
  inputScale?: number;
  /** Whether activations are selected by their value times the norm of their decoder row. */
  rescaleByDecoderNorm: boolean;
  /** Whether activations are scaled by a vector of the weights before they are decoded. */
  scalesActivations: boolean;
  /** Whether it is a gated SAE, which its weights make a jumprelu one. */
  gated: boolean;
  /** Whether `saveSae` wrote it. */
  own: boolean;
}

type Json = Record<string, unknown>;

/** Version of our notes in `cfg.metadata.saewing`. */
const markerVersion = 1;

// Without a version of 6 or above SAELens reads a config as the flat one of its earlier versions.
const saeLensVersion = "6.18.0";

/** Our architecture for each name of SAELens's. */
const ourArchitecture: Readonly<Record<string, Architecture>> = Object.fromEntries(
  ARCHITECTURES.flatMap((ours) => architectureOf(ours).saeLens.read.map((name) => [name, ours])),
);

const normalizations: readonly string[] = [
  "none",
  "layer_norm",
  "expected_average_only_in",
  "constant_norm_rescale",
];

/** Metadata keys that have a name on either side: ours, theirs, their older one, and the type. */
const metadataKeys: readonly [ours: string, theirs: string, older: string, type: string][] = [
  ["model", "model_name", "model_name", "string"],
  ["hook", "hook_name", "hook_point", "string"],
  ["contextSize", "context_size", "context_size", "number"],
  ["prependBos", "prepend_bos", "prepend_bos", "boolean"],
  ["dataset", "dataset_path", "dataset_path", "string"],
];

const structuralKeys: ReadonlySet<string> = new Set([
  "architecture",
  "d_in",
  "d_sae",
  "dtype",
  "device",
  "k",
  "apply_b_dec_to_input",
  "normalize_activations",
  "rescale_acts_by_decoder_norm",
  "activation_fn",
  "activation_fn_str",
  "activation_fn_kwargs",
  "finetuning_scaling_factor",
  "metadata",
]);

/**
 * The `cfg.json` (SAELens 6) of an SAE. What it has no key for is kept in `metadata.saewing`, so
 * that {@linkcode parseSaeConfig} gives back the same architecture, k, input scale and metadata.
 *
 * SAELens has no place for the factor of "expected_average_only_in" and does not apply it when an SAE runs:
 * it is folded into the weights that go with this config, which says "none".
 */
export function saeConfig(sae: Sae): Record<string, unknown> {
  const kind = architectureOf(sae.architecture);
  const metadata: Json = { sae_lens_version: saeLensVersion };
  for (const [ours, theirs, , type] of metadataKeys) {
    const value = sae.metadata[ours];
    const found = typeof value;
    if (found === type) metadata[theirs] = value;
  }
  metadata.saewing = {
    version: markerVersion,
    architecture: sae.architecture,
    ...(sae.k === undefined ? {} : { k: sae.k }),
    ...(sae.inputTransform === undefined ? {} : { inputTransform: sae.inputTransform }),
    ...(sae.inputScale === undefined ? {} : { inputScale: sae.inputScale }),
    metadata: sae.metadata,
  };
  if (sae.inputTransform === "center") {
    metadata.model_from_pretrained_kwargs = { center_writing_weights: true };
  }
  return {
    architecture: kind.saeLens.saved,
    d_in: sae.dModel,
    d_sae: sae.dictSize,
    dtype: "float32",
    device: "cpu",
    ...(kind.threshold === "none" ? { k: sae.k, rescale_acts_by_decoder_norm: false } : {}),
    apply_b_dec_to_input: sae.subtractDecoderBias,
    normalize_activations: sae.inputScale === undefined ? sae.inputNormalization : "none",
    reshape_activations: sae.metadata.reshape_activations ?? "none",
    metadata,
  };
}

/**
 * Reads a `cfg.json` of SAELens 6, of the flat form before it, or of ours.
 *
 * @param path The file, used in errors.
 * @param text Its content.
 * @param overrides Keys that replace those of the file.
 * @throws {Error} It is not JSON, a key is missing or wrong, or it describes what is no plain SAE
 * (transcoder, …).
 */
export function parseSaeConfig(
  path: string,
  text: string,
  overrides: Readonly<Json> = {},
): SaeConfig {
  return readSaeConfig(path, { ...parseConfig(path, text), ...overrides }, overrides);
}

/** {@linkcode parseSaeConfig} of a config that is an object already, with the keys that were replaced in it. */
export function readSaeConfig(path: string, cfg: Json, overrides: Readonly<Json> = {}): SaeConfig {
  refuseForeign(path, cfg);

  const fail = (key: string, found: unknown, wanted: string): never => {
    const text = JSON.stringify(found) ?? "missing";
    throw new Error(`${key} is ${text.slice(0, 80)}, expected ${wanted}, in ${path}`);
  };
  const size = (key: string): number =>
    isWhole(cfg[key], 1) ? cfg[key] as number : fail(key, cfg[key], "a whole number above 0");
  const flag = (key: string, absent: boolean): boolean => {
    const value = cfg[key] ?? absent;
    return typeof value === "boolean" ? value : fail(key, value, "true or false");
  };

  const inner = isRecord(cfg.metadata) ? cfg.metadata : {};
  const marker = isRecord(inner.saewing) ? inner.saewing : undefined;
  if (marker && marker.version !== markerVersion) {
    fail("metadata.saewing.version", marker.version, `${markerVersion} (is saewing up to date?)`);
  }
  const dModel = size("d_in");
  const dictSize = size("d_sae");
  const { architecture, k: statedK } = selection(cfg, marker, fail);
  if (
    architecture === ourArchitecture.standard && !marker && overrides.architecture === undefined
  ) {
    refuseHiddenTopK(path, cfg);
  }
  const needsK = architectureOf(architecture).k !== "none";
  if (needsK && !validK(architecture, statedK, dictSize)) {
    fail("k", statedK, `${kRange(architecture)} d_sae = ${dictSize}`);
  }
  const normalization = typeof cfg.normalize_activations === "boolean"
    ? (cfg.normalize_activations ? "expected_average_only_in" : "none")
    : cfg.normalize_activations ?? "none";
  if (!normalizations.includes(normalization as string)) {
    fail("normalize_activations", normalization, `one of ${normalizations.join(", ")}`);
  }
  const inputScale = marker?.inputScale;
  if (inputScale !== undefined) {
    if (!(Number.isFinite(inputScale) && Number(inputScale) > 0)) {
      fail("metadata.saewing.inputScale", inputScale, "a number above 0");
    }
    if (normalization !== "none") {
      fail("normalize_activations", normalization, "none beside metadata.saewing.inputScale");
    }
  }
  const normalizing = inputScale === undefined
    ? { inputNormalization: normalization as InputNormalization }
    : { inputNormalization: "expected_average_only_in" as const, inputScale: Number(inputScale) };
  const metadata = readMetadata(cfg, inner, marker);
  return {
    architecture,
    dModel,
    dictSize,
    ...(typeof statedK === "number" ? { k: statedK } : {}),
    subtractDecoderBias: flag("apply_b_dec_to_input", true),
    ...readTransform(cfg, inner, marker, metadata, fail),
    ...normalizing,
    rescaleByDecoderNorm: needsK && !marker && flag("rescale_acts_by_decoder_norm", false),
    scalesActivations: flag("finetuning_scaling_factor", false),
    gated: cfg.architecture === "gated",
    own: marker !== undefined,
    metadata,
  };
}

function selection(
  cfg: Json,
  marker: Json | undefined,
  fail: (key: string, found: unknown, wanted: string) => never,
): { architecture: Architecture; k: unknown } {
  const theirs = cfg.architecture ?? "standard";
  if (typeof theirs !== "string" || !Object.hasOwn(ourArchitecture, theirs)) {
    const known = Object.keys(ourArchitecture).join(", ");
    return fail("architecture", theirs, `one of ${known} (others are not supported)`);
  }
  if (marker) {
    const ours = marker.architecture as Architecture;
    if (!ARCHITECTURES.includes(ours) || architectureOf(ours).saeLens.saved !== theirs) {
      fail("metadata.saewing.architecture", ours, `one that is stored as ${theirs}`);
    }
    return { architecture: ours, k: marker.k };
  }
  const activation = cfg.activation_fn_str ?? cfg.activation_fn ?? "relu";
  const hidden = theirs === "standard" && activation === "topk";
  if (theirs === "standard" && !hidden && activation !== "relu") {
    fail("activation_fn_str", activation, "relu or topk");
  }
  const architecture = ourArchitecture[hidden ? "topk" : theirs];
  const kwargs = isRecord(cfg.activation_fn_kwargs) ? cfg.activation_fn_kwargs : {};
  const k = cfg.k ?? kwargs.k ?? undefined;
  if (theirs === "standard" && !hidden && k !== undefined) {
    fail("k", k, 'none for architecture "standard": is this a topk SAE? (config says it for it)');
  }
  return { architecture, k: architectureOf(architecture).k === "none" ? undefined : k };
}

function readMetadata(cfg: Json, inner: Json, marker: Json | undefined): Json {
  const metadata: Json = {};
  const mapped = new Set(metadataKeys.flatMap(([, theirs, older]) => [theirs, older]));
  if (marker) {
    if (isRecord(marker.metadata)) Object.assign(metadata, marker.metadata);
  } else {
    // SAELens keeps what is no structure in `metadata` since version 6, and beside it before.
    for (const [key, value] of [...Object.entries(cfg), ...Object.entries(inner)]) {
      if (!structuralKeys.has(key) && !mapped.has(key) && value !== null) metadata[key] = value;
    }
    if (metadata.reshape_activations === "none") delete metadata.reshape_activations;
  }
  for (const [ours, theirs, older] of metadataKeys) {
    const value = inner[theirs] ?? inner[older] ?? cfg[theirs] ?? cfg[older];
    if (value !== undefined && value !== null) metadata[ours] = value;
  }
  return metadata;
}

/** The transform of the input; `metadata` loses the note by which earlier versions of ours told it. */
function readTransform(
  cfg: Json,
  inner: Json,
  marker: Json | undefined,
  metadata: Json,
  fail: (key: string, found: unknown, wanted: string) => never,
): Pick<Sae, "inputTransform"> {
  const { activationTransform: earlier } = metadata;
  if (marker) delete metadata.activationTransform;
  const transform = marker
    ? marker.inputTransform ?? earlier
    : publishedTransform({ ...cfg, ...inner }, metadata.hook);
  if (transform === undefined) return {};
  if (transform === "none" || transform === "center") return { inputTransform: transform };
  return fail("metadata.saewing.inputTransform", transform, "none or center");
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
