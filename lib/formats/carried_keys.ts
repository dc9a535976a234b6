// Keys of SAELens's configs that nothing here needs: kept in an SAE's metadata and written back.
import { isRecord, type Json } from "./config_values.ts";

/** Metadata keys that have a name on either side: ours, theirs, their older one, and the type. */
export const METADATA_KEYS: readonly [ours: string, theirs: string, older: string, type: string][] =
  [
    ["model", "model_name", "model_name", "string"],
    ["hook", "hook_name", "hook_point", "string"],
    ["contextSize", "context_size", "context_size", "number"],
    ["prependBos", "prepend_bos", "prepend_bos", "boolean"],
    ["dataset", "dataset_path", "dataset_path", "string"],
  ];

/** Notes that stand in a config's `metadata` since SAELens 6. */
export const NOTES: readonly string[] = [
  ...METADATA_KEYS.map(([, theirs]) => theirs),
  "model_from_pretrained_kwargs",
];

/** Names of before SAELens 6 and of now. */
const renamed: Readonly<Record<string, string>> = { hook_point_head_index: "hook_head_index" };

const understood: ReadonlySet<string> = new Set([
  ...METADATA_KEYS.flatMap(([, theirs, older]) => [theirs, older]),
  ...["architecture", "d_in", "d_sae", "dtype", "device", "k", "apply_b_dec_to_input"],
  ...["normalize_activations", "rescale_acts_by_decoder_norm", "activation_fn"],
  ...["activation_fn_str", "activation_fn_kwargs", "finetuning_scaling_factor", "metadata"],
  "saewing",
]);

/** What a config of SAELens says beside what is understood. */
export interface CarriedKeys {
  /**
   * Keys of its `metadata`: where they are written again. Before SAELens 6 they stood beside the others, and
   * SAELens puts them there too.
   */
  saeLens?: Json;
  /** Keys beside its `metadata`, since SAELens 6. */
  saeLensConfig?: Json;
}

/** The keys of a config that are not understood, by the place that they are written to again. */
export function carriedKeys(cfg: Json): CarriedKeys {
  const inner = isRecord(cfg.metadata) ? cfg.metadata : undefined;
  const { hook_name, hook_point } = inner ?? cfg;
  const { reshape_activations, ...beside } = without(cfg, understood);
  const shape = reshape_activations === undefined ||
      reshape_activations === reshapeOf(hook_name ?? hook_point)
    ? {}
    : { reshape_activations };
  return filled(
    inner
      ? { saeLens: without(inner, understood), saeLensConfig: { ...shape, ...beside } }
      : { saeLens: rename(beside), saeLensConfig: shape },
  );
}

/** What is written back: notes into the new config's `metadata`, the rest beside it. */
export function keysToWrite(metadata: Json): Required<CarriedKeys> {
  const { saeLens, saeLensConfig } = metadata;
  // The version is that of the format, which is ours now.
  const { sae_lens_version: _, ...notes } = isRecord(saeLens) ? saeLens : {};
  return { saeLens: notes, saeLensConfig: isRecord(saeLensConfig) ? saeLensConfig : {} };
}

/** How SAELens reshapes the activations of a hook: those of attention heads lie side by side in an SAE. */
export function reshapeOf(hook: unknown): "hook_z" | "none" {
  return typeof hook === "string" && hook.includes("hook_z") ? "hook_z" : "none";
}

function without(record: Json, names: ReadonlySet<string>): Json {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !names.has(key)));
}

function rename(record: Json): Json {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [renamed[key] ?? key, value]),
  );
}

function filled(keys: Required<CarriedKeys>): CarriedKeys {
  return Object.fromEntries(
    Object.entries(keys).filter(([, record]) => Object.keys(record).length > 0),
  );
}
