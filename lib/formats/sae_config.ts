import type { Architecture } from "../sae/architectures/own_options.ts";
import { architectureOf, ARCHITECTURES } from "../sae/architectures/registry.ts";
import { transformerLensName } from "../language_model/model_names.ts";
import { kRange, validK } from "../sae/check.ts";
import type { InputNormalization, Sae } from "../sae/sae.ts";
import { isWhole } from "../whole_number.ts";
import { carriedKeys, METADATA_KEYS, NOTES } from "./carried_keys.ts";
import { isRecord } from "./config_values.ts";
import { parseConfig } from "./parse_config.ts";
import { publishedNormalization, publishedTransform } from "./published_facts.ts";
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
  /** What trained a jumprelu SAE, where it is a batchtopk one whose thresholds became one. */
  trained?: Pick<Sae, "architecture" | "k">;
  /** The note where a rule decided and not the config. */
  note?: string;
  /** Whether `saveSae` wrote it. */
  own: boolean;
}

type Json = Record<string, unknown>;

/** Version of our notes in `cfg.metadata.saewing`. */
export const MARKER_VERSION = 1;

/** Our architecture for each name of SAELens's. */
export const ourArchitecture: Readonly<Record<string, Architecture>> = Object.fromEntries(
  ARCHITECTURES.flatMap((ours) => architectureOf(ours).saeLens.read.map((name) => [name, ours])),
);

const normalizations: readonly string[] = [
  "none",
  "layer_norm",
  "expected_average_only_in",
  "constant_norm_rescale",
];

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
  return readSaeConfig(path, replaceKeys(parseConfig(path, text), overrides), overrides);
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
  if (marker && marker.version !== MARKER_VERSION) {
    fail("metadata.saewing.version", marker.version, `${MARKER_VERSION} (is saewing up to date?)`);
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
  const published = marker || overrides.normalize_activations !== undefined
    ? undefined
    : publishedNormalization(path);
  const normalization = published ??
    (typeof cfg.normalize_activations === "boolean"
      ? (cfg.normalize_activations ? "expected_average_only_in" : "none")
      : cfg.normalize_activations ?? "none");
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
    ...readTransform(path, cfg, inner, marker, metadata, fail),
    ...normalizing,
    rescaleByDecoderNorm: needsK && !marker && flag("rescale_acts_by_decoder_norm", false),
    scalesActivations: flag("finetuning_scaling_factor", false),
    gated: cfg.architecture === "gated",
    ...(marker || overrides.architecture !== undefined
      ? {}
      : trainedAs(architecture, inner, dictSize)),
    own: marker !== undefined,
    metadata,
  };
}

/** A config with other values: of notes in its `metadata`, where it has that. */
function replaceKeys(cfg: Json, overrides: Readonly<Json>): Json {
  const { metadata } = cfg;
  if (!isRecord(metadata)) return { ...cfg, ...overrides };
  const names = new Set([...Object.keys(metadata), ...NOTES]);
  const isNote = ([key]: [string, unknown]) => names.has(key);
  const entries = Object.entries(overrides);
  return {
    ...cfg,
    metadata: { ...metadata, ...Object.fromEntries(entries.filter(isNote)) },
    ...Object.fromEntries(entries.filter((entry) => !isNote(entry))),
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

/** SAELens keeps a BatchTopK SAE as a jumprelu one, and says in its notes what it was. */
function trainedAs(
  architecture: Architecture,
  { training_architecture: name, training_architecture_details: details, k: beside }: Json,
  dictSize: number,
): Pick<SaeConfig, "trained"> {
  const trained = ourArchitecture[String(name)];
  const k = isRecord(details) && details.k !== undefined ? details.k : beside;
  if (architecture !== "jumprelu" || trained === undefined) return {};
  if (architectureOf(trained).threshold !== "measured" || !validK(trained, k, dictSize)) return {};
  return { trained: { architecture: trained, k } };
}

function readMetadata(cfg: Json, inner: Json, marker: Json | undefined): Json {
  const own = isRecord(marker?.metadata) ? marker.metadata : {};
  const metadata: Json = marker ? { ...own } : carriedKeys(cfg) as Json;
  for (const [ours, theirs, older] of METADATA_KEYS) {
    const value = inner[theirs] ?? inner[older] ?? cfg[theirs] ?? cfg[older];
    if (value === undefined || value === null) continue;
    // TransformerLens's name of the model replaces the one that was used here.
    if (ours === "model" && typeof own.model === "string") {
      if (transformerLensName(own.model) === value) continue;
    }
    metadata[ours] = value;
  }
  return metadata;
}

/** The transform of the input; `metadata` loses the note of earlier versions of saewing. */
function readTransform(
  path: string,
  cfg: Json,
  inner: Json,
  marker: Json | undefined,
  metadata: Json,
  fail: (key: string, found: unknown, wanted: string) => never,
): Pick<SaeConfig, "inputTransform" | "note"> {
  if (!marker) {
    const { transform, note } = publishedTransform({ ...cfg, ...inner }, metadata.hook, path);
    return {
      ...(transform === "none" ? {} : { inputTransform: transform }),
      ...(note === undefined ? {} : { note }),
    };
  }
  const { activationTransform: earlier } = metadata;
  delete metadata.activationTransform;
  const transform = marker.inputTransform ?? earlier;
  if (transform === undefined) return {};
  if (transform === "none" || transform === "center") return { inputTransform: transform };
  return fail("metadata.saewing.inputTransform", transform, "none or center");
}
