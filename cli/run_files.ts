import { ARCHITECTURES } from "../lib/sae/architectures/registry.ts";

/** Commands that write a folder. */
export type WritingCommand = "train" | "sweep" | "stitch" | "meta" | "harvest" | "convert";

const SAE = String.raw`(cfg\.json|sae_weights\.safetensors|\.cfg\.json\.before)`;
const CHECKPOINT = String.raw`checkpoint/checkpoint\.safetensors`;
const CELL = String.raw`(${ARCHITECTURES.join("|")})_m\d[^/]*`;

const all = (...parts: string[]) => new RegExp(`^(${parts.join("|")})$`);

/**
 * Names of the files that each command writes, relative to its folder. Nothing else is written, and
 * whatever a manifest says, nothing else is ever removed.
 */
export const RUN_FILES: Record<WritingCommand, RegExp> = {
  train: all(
    String.raw`config\.json|metrics\.(jsonl|csv)|evaluation\.json|report\.html`,
    `sae/${SAE}`,
    CHECKPOINT,
  ),
  sweep: all(
    String.raw`sweep\.(csv|html)|table2\.md|equal_l0\.csv`,
    String.raw`plots/((nmse|ce)_by_(dict_size_k|k_m)\d+|pareto)\.svg`,
    String.raw`${CELL}/(cell\.json|metrics\.csv|sae/${SAE}|${CHECKPOINT})`,
  ),
  stitch: all(
    String.raw`report\.html|(saes|overlap|decoder_biases|controls|claims)\.csv`,
    String.raw`(latents|swaps|path|random_insertion|roc|similarity|missing_information)_[^/]+\.csv`,
    String
      .raw`plots/((cosine|effects|similarity|swaps|missing_information|path)_[^/]+)\.svg`,
    String.raw`plots/(roc|random_insertion|shrinkage|overlap)\.svg`,
  ),
  meta: all(
    String.raw`report\.html`,
    String
      .raw`(metrics|latents|meta_latents|latent_meta_latents|meta_latent_latents|compared)\.csv`,
    String.raw`plots/(cosine_[^/]+|mean_cosine|replacement)\.svg`,
    `meta/${SAE}`,
  ),
  harvest: all(String.raw`(store\.json|shard-\d+\.bin)(\.part)?`),
  convert: all(SAE),
};

/** Folders that these files are in. */
export const RUN_FOLDERS = all(String.raw`plots|meta|sae|checkpoint|${CELL}(/(sae|checkpoint))?`);

/** What of a run that is not finished took long to make, and is not given up without being asked. */
export const WORK =
  /(^|\/)(checkpoint\.safetensors|sae_weights\.safetensors|cell\.json|store\.json)$/;

/** The files of an SAE in a folder of a run. */
export function saeFiles(folder: string): string[] {
  return ["cfg.json", "sae_weights.safetensors", ".cfg.json.before"].map((name) =>
    folder === "" ? name : `${folder}/${name}`
  );
}

/** Files of an SAE of a sweep, relative to the sweep's folder. */
export function cellFiles(name: string): string[] {
  const others = ["cell.json", "metrics.csv", "checkpoint/checkpoint.safetensors"];
  return [...saeFiles(`${name}/sae`), ...others.map((file) => `${name}/${file}`)];
}
