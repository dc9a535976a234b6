import type { Json } from "./config_values.ts";
import { ODD_PATHS } from "./release_table.ts";

/** A release, its repository, and the path of an id. */
type SaeLensRelease = [release: string, repository: string, path: string];

/** SAELens's own format: repository, and the path of an id ({L} is its layer, {id} itself). */
export const SAE_LENS_RELEASES: readonly SaeLensRelease[] = [
  ["gpt2-small-res-jb", "jbloom/GPT2-Small-SAEs-Reformatted", "{id}"],
  [
    "gpt2-small-res-jb-feature-splitting",
    "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8",
    "{id}",
  ],
  ...["attn-out", "mlp-out", "resid-mid", "resid-post"].flatMap((site) =>
    ["32k", "128k"].map((width): SaeLensRelease => [
      `gpt2-small-${site}-v5-${width}`,
      `jbloom/GPT2-Small-OAI-v5-${width}-${site}-SAEs`,
      `v5_${width}_layer_{L}${site === "resid-post" && width === "32k" ? ".pt" : ""}`,
    ])
  ),
  ["gpt2-small-mlp-tm", "tommmcgrath/gpt2-small-mlp-out-saes", "{odd}"],
  ...["sce", "scefr", "scl", "sle", "slefr", "sll"].map((loss): SaeLensRelease => [
    `gpt2-small-res_${loss}-ajt`,
    `neuronpedia/gpt2-small__res_${loss}-ajt`,
    `{L}-res_${loss}-ajt`,
  ]),
  ...["att", "mlp", "res"].map((site): SaeLensRelease => [
    `pythia-70m-deduped-${site}-sm`,
    `ctigges/pythia-70m-deduped__${site}-sm_processed`,
    `{L}-${site}-sm`,
  ]),
  ["mistral-7b-res-wg", "JoshEngels/Mistral-7B-Residual-Stream-SAEs", "mistral_7b_layer_{L}"],
  ["llama-3-8b-it-res-jh", "Juliushanhanhan/llama-3-8b-it-res", "{id}"],
  ["gemma-2b-res-jb", "jbloom/Gemma-2b-Residual-Stream-SAEs", "{odd}"],
  [
    "gemma-2b-it-res-jb",
    "jbloom/Gemma-2b-IT-Residual-Stream-SAEs",
    "gemma_2b_it_blocks.{L}.hook_resid_post_16384",
  ],
  ...[["res", "standard/"], ["res-snap", "snap/"]].map(([kind, folder]) =>
    [
      `gemma-2-2b-${kind}-matryoshka-dc`,
      "chanind/gemma-2-2b-batch-topk-matryoshka-saes-w-32k-l0-40",
      `${folder}{id}`,
    ] as SaeLensRelease
  ),
  ...[["gemma-2-9b", "60"], ["gemma-3-1b", "40"]].map(([model, l0]) =>
    [
      `${model}-res-matryoshka-dc`,
      `chanind/${model}-batch-topk-matryoshka-saes-w-32k-l0-${l0}`,
      "{id}",
    ] as SaeLensRelease
  ),
];

/** The path of an id. */
export function saeLensPath(id: string, release: string): string | undefined {
  const pattern = SAE_LENS_RELEASES.find(([name]) => name === release)![2];
  if (pattern === "{odd}") return ODD_PATHS[release][id];
  const [, layer, point] = /^blocks\.(\d+)\.(hook_\w+)$/.exec(id) ?? [];
  if (layer === undefined) return undefined;
  // Before layer 0 is the embedding.
  const isFirst = release.startsWith("pythia") && point === "hook_resid_pre" && layer === "0";
  return pattern.replace("{id}", id).replace("{L}", isFirst ? "e" : layer);
}

const centred = { model_from_pretrained_kwargs: { center_writing_weights: true } };
/** Keys that the registry corrects in configs. */
export const CORRECTIONS: Readonly<Record<string, Json>> = {
  "gpt2-small-res-jb": centred,
  "gpt2-small-res-jb-feature-splitting": centred,
  "gpt2-small-mlp-tm": centred,
  "mistral-7b-res-wg": { normalize_activations: "constant_norm_rescale" },
};
