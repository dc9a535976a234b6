// Facts about published SAEs that their files lack.
import type { InputTransform } from "../sae/sae.ts";

type Json = Record<string, unknown>;

// Models with LayerNorm that TransformerLens knows. RMSNorm does not subtract the mean, so that
// centring would change those models; TransformerLens leaves them as they are.
const layerNormModels = /^(gpt2|distilgpt2|pythia|opt|gpt-neo|gpt-j|bloom|solu|gelu|attn-only)/i;
const gpt2Small = /^gpt2(-small)?$/i;

// Hooks at which centred writing weights are visible.
const writtenPoints = /hook_(resid_(pre|mid|post)|mlp_out|attn_out|embed|pos_embed)$/;

const TAKE_AS_THEY_ARE = `--input-transform none (inputTransform: "none") takes them as they are`;

// The releases of which SAELens says that they read centred activations.
const centredReleases = [
  "jbloom/GPT2-Small-SAEs-Reformatted",
  "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8",
  "tommmcgrath/gpt2-small-mlp-out-saes",
];

/** Whether centring the weights that write to the residual stream shows at a hook. */
export function isWrittenPoint(hook: unknown): boolean {
  return typeof hook === "string" && writtenPoints.test(hook);
}

/**
 * What was done to a model's activations before a SAELens SAE saw them: "center" where TransformerLens
 * had centred the weights that write to the residual stream, so that each activation's mean over d is
 * zero.
 *
 * A config with `model_from_pretrained_kwargs` decides. SAELens writes them since
 * 3.19.2; before, it loaded every model with TransformerLens's defaults, which centre LayerNorm models.
 * For a config of that time a rule decides: SAEs of GPT-2 small read centred activations, as SAELens says of
 * its three releases of them (one from another repository of the hub does not); those of other models
 * are taken as they are, as SAELens does. An SAE that SAELens 6 saved again has null for the version that
 * trained it.
 *
 * @param cfg The flat config, or its metadata since SAELens 6.
 * @param hook The hook that it names.
 * @param path Where it lies: folders of the hub's cache name their repository.
 * @returns The transform, and what to tell where a rule decided.
 */
export function publishedTransform(
  cfg: Json,
  hook: unknown,
  path: string,
): { transform: InputTransform; note?: string } {
  const kwargs = cfg.model_from_pretrained_kwargs;
  const says = typeof kwargs === "object" && kwargs !== null;
  if (!isWrittenPoint(hook)) return { transform: "none" };
  const release = releaseAt(path);
  if (release !== undefined) {
    return {
      transform: "center",
      note:
        `${release} has SAEs that read centred activations, by SAELens's list: the mean over d of ` +
        `each is subtracted; ${TAKE_AS_THEY_ARE}`,
    };
  }
  if (says) {
    return { transform: (kwargs as Json).center_writing_weights === true ? "center" : "none" };
  }
  const name = String(cfg.model_name ?? "").split("/").at(-1)!;
  // A LayerNorm of the SAE's own subtracts the mean in any case.
  if (!layerNormModels.test(name) || cfg.normalize_activations === "layer_norm") {
    return { transform: "none" };
  }
  const version = cfg.sae_lens_training_version === undefined
    ? cfg.sae_lens_version
    : cfg.sae_lens_training_version;
  if (!isBefore(String(version ?? "0"), [3, 19, 2])) return { transform: "none" };
  const unsaid = "the SAE's config does not say whether it reads centred activations";
  return gpt2Small.test(name) && hubRepository(path) === undefined
    ? {
      transform: "center",
      note:
        `${unsaid}. Those of GPT-2 small from before SAELens 3.19.2 do, so the mean over d of each ` +
        `activation is subtracted; ${TAKE_AS_THEY_ARE}`,
    }
    : {
      transform: "none",
      note: `${unsaid}. They are taken as they are, as SAELens does; --input-transform center ` +
        `(inputTransform: "center") subtracts the mean over d of each`,
    };
}

/** A factor of "expected_average_only_in" that was published beside the SAE, by SAELens's list. */
interface PublishedScale {
  model: RegExp;
  /** Where `L` stands for a layer. */
  hook: string;
  dictSize: number;
  /** By layer. */
  scales: Readonly<Record<number, number>>;
}

const publishedScales: readonly PublishedScale[] = [
  {
    model: gpt2Small,
    hook: "blocks.L.hook_mlp_out",
    dictSize: 24_576,
    scales: {
      ...{ 0: 1.049317316132615, 1: 2.3693984005104283, 2: 1.6411934982190302 },
      ...{ 3: 1.8958522157897557, 4: 1.81673478700627, 5: 1.550234472245924 },
      ...{ 6: 1.3237742807210804, 7: 1.1042905114723296, 8: 0.9123762783479742 },
      ...{ 9: 0.6955335635232373, 10: 0.3619728926727644, 11: 0.2851548652550073 },
    },
  },
  {
    model: /^gemma-2b$/,
    hook: "blocks.L.hook_resid_post",
    dictSize: 16_384,
    scales: { 12: 0.21381938399317255 },
  },
];

/**
 * The factor of an SAE that normalises by "expected_average_only_in" and was published without it: those of
 * the releases gpt2-small-mlp-tm and gemma-2b-res-jb. Only configs of their time, without versions, are meant.
 *
 * @param metadata Model and hook in our names, and the notes of the config.
 */
export function publishedScale(
  { metadata, dictSize }: { metadata: Json; dictSize: number },
): number | undefined {
  const { model, hook } = metadata;
  const name = String(model ?? "").split("/").at(-1)!;
  const layer = /^blocks\.(\d+)\./.exec(String(hook))?.[1];
  if (layer === undefined) return undefined;
  const point = String(hook).replace(/^blocks\.\d+\./, "blocks.L.");
  const found = publishedScales.find((each) =>
    each.model.test(name) && each.hook === point && each.dictSize === dictSize
  );
  return found?.scales[Number(layer)];
}

/** Normalisations that SAELens's list says in place of the configs. */
export function publishedNormalization(path: string): string | undefined {
  return path.includes("Mistral-7B-Residual-Stream-SAEs") ? "constant_norm_rescale" : undefined;
}

/** The repository whose folder in the hub's cache holds a path. */
function hubRepository(path: string): string | undefined {
  const found = /[\\/]models--([\w.-]+?)--([\w.-]+)[\\/]/.exec(path);
  return found ? `${found[1]}/${found[2]}` : undefined;
}

function releaseAt(path: string): string | undefined {
  const repository = hubRepository(path);
  return centredReleases.find((release) => release === repository);
}

function isBefore(version: string, than: number[]): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part) || 0);
  const at = than.findIndex((part, i) => part !== (parts[i] ?? 0));
  return at >= 0 && (parts[at] ?? 0) < than[at];
}
