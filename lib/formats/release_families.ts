import type { Json } from "./config_values.ts";
import { CANONICAL_L0, ODD_PATHS } from "./release_table.ts";
import { CORRECTIONS, SAE_LENS_RELEASES, saeLensPath } from "./saelens_releases.ts";
import type { SaeFiles } from "./sae_files.ts";

/** Releases of SAELens that have one rule. */
export interface ReleaseFamily {
  /** What they are called together. */
  name: string;
  /** Names of its releases, and the repository of each. */
  releases: ReadonlyMap<string, string>;
  /** How they are stored; absent where they are no SAEs of one hook. */
  format?: SaeFiles["format"];
  /** Why they cannot be read, where they cannot. */
  refused?: string;
  /** The path in the repository of an SAE's id; undefined where it is no such id. */
  path(id: string, release: string): string | undefined;
  /** An id, for errors. */
  example: string;
  /** Keys that replace those of their configs: the registry's own corrections. */
  config?(release: string): Json | undefined;
}

const transcoder = "a transcoder reads one point of the model and writes another, an SAE " +
  "reconstructs what it reads";
const crossLayer =
  "a cross-layer transcoder writes several layers, an SAE reconstructs what it reads";

const same = (id: string): string => id;

/** Releases and repositories from words that are combined. */
function combine(
  lists: readonly (readonly string[])[],
  release: (...words: string[]) => string,
  repository: (...words: string[]) => string,
): ReadonlyMap<string, string> {
  const all = lists.reduce<string[][]>(
    (rows, words) => rows.flatMap((row) => words.map((word) => [...row, word])),
    [[]],
  );
  return new Map(all.map((words) => [release(...words), repository(...words)]));
}

/** What stands in place of {L} is the first number of the id, as blocks.8.hook_resid_pre has it. */
const layered = (pattern: string, idPattern: RegExp) => (id: string): string | undefined => {
  const found = idPattern.exec(id);
  return found ? pattern.replaceAll("{L}", found[1]) : undefined;
};

const gemmaSizes = ["270m", "1b", "4b", "12b", "27b"];
const gemmaPoints: Readonly<Record<string, string>> = {
  res: "resid_post",
  att: "attn_out",
  mlp: "mlp_out",
  transcoders: "transcoder",
};

function gemmaScope2(kinds: string[]): Pick<ReleaseFamily, "releases" | "path" | "example"> {
  return {
    releases: combine(
      [gemmaSizes, ["pt", "it"], kinds, ["", "-all"]],
      (size, tuning, kind, all) => `gemma-scope-2-${size}-${tuning}-${kind}${all}`,
      (size, tuning) => `google/gemma-scope-2-${size}-${tuning}`,
    ),
    path(id, release) {
      if (id.includes("/")) return id;
      const [, kind, all = ""] = /-(res|att|mlp|transcoders)(-all)?$/.exec(release)!;
      const folder = `${gemmaPoints[kind]}${all.replace("-", "_")}`;
      return /^layer_\d+_width_/.test(id) ? `${folder}/${id}` : undefined;
    },
    example: "layer_12_width_16k_l0_small",
  };
}

const gemmaScope1 = [
  ...["2b-pt-res", "2b-pt-att", "2b-pt-mlp", "9b-pt-res", "9b-pt-att", "9b-pt-mlp", "9b-it-res"],
  "27b-pt-res",
];

/** `layer_12/width_16k/canonical` is the folder of the SAE whose average L0 is nearest to 100. */
function canonicalPath(id: string, release: string): string | undefined {
  const found = /^layer_(\d+)\/(width_\w+?)(?:\/canonical)?$/.exec(id);
  if (!found) return id.endsWith("/canonical") ? undefined : id;
  const [, layer, width] = found;
  const l0 = CANONICAL_L0[`${release.replace(/-canonical$/, "")}/${width}`]?.split(" ")[+layer];
  return l0 === undefined || l0 === "-" ? undefined : `layer_${layer}/${width}/average_l0_${l0}`;
}

const r1Mixes: readonly [id: RegExp, folder: string][] = [
  [/^l(\d+)r_800m_slimpajama$/, "800M-Slimpajama-0-OpenR1-Math-220k"],
  [/^l(\d+)r_400m_slimpajama_400m_openr1_math$/, "400M-Slimpajama-400M-OpenR1-Math-220k"],
  [/^l(\d+)r_800m_openr1_math$/, "0-Slimpajama-800M-OpenR1-Math-220k"],
];

const qwen: readonly [model: string, widths: string, ks: readonly number[]][] = [
  ["Qwen3-1.7B-Base", "32", [50, 100]],
  ["Qwen3-8B-Base", "64", [50, 100]],
  ["Qwen3-30B-A3B-Base", "32", [50]],
  ["Qwen3-30B-A3B-Base", "128", [100]],
  ["Qwen3.5-2B-Base", "32", [50, 100]],
  ["Qwen3.5-9B-Base", "64", [50, 100]],
  ["Qwen3.5-27B", "80", [50, 100]],
  ["Qwen3.5-35B-A3B-Base", "32", [50]],
  ["Qwen3.5-35B-A3B-Base", "128", [100]],
];

/** `blocks.3.hook_resid_post__trainer_0_step_4` → `resid_post_layer_3_checkpoints/trainer_0_step_4`. */
function trainerPath(id: string): string | undefined {
  const found =
    /^(?:blocks\.|resid_post_layer_)(\d+)(?:\.hook_resid_post_)?_trainer_(\d+)(_step_\d+)?$/
      .exec(id);
  if (!found) return undefined;
  const [, layer, trainer, step = ""] = found;
  return `resid_post_layer_${layer}${step && "_checkpoints"}/trainer_${trainer}${step}`;
}

type Row = [release: string, repository: string, path: string];

/** Folder of each SAEBench release in its repository. */
const saeBench: readonly Row[] = [
  ...[12, 14, 16].flatMap((bits) =>
    ["topk", "vanilla"].map((kind): Row => {
      const folder = `gemma-2-2b_${kind}_width-2pow${bits}_date-1109`;
      const repository = `canrager/saebench_gemma-2-2b_width-2pow${bits}_date-1109`;
      return [`sae_bench_${folder}`, repository, folder];
    })
  ),
  ...["gated_ctx128_0730", "panneal_ctx128_0730", "standard_ctx128_0712", "topk_ctx128_0730"]
    .map((name): Row => {
      const folder = `pythia70m_sweep_${name}`;
      return [`sae_bench_${folder}`, "canrager/lm_sae", folder];
    }),
  ...[["12", "0108", "adamkarvonen"], ["14", "0107", "canrager"], ["16", "0107", "canrager"]].map(
    ([bits, date, owner]): Row => {
      const release = `saebench_gemma-2-2b_width-2pow${bits}_date-${date}`;
      const folder = bits === "12"
        ? "MatryoshkaBatchTopK_gemma-2-2b__0108"
        : `gemma-2-2b_matryoshka_batch_top_k_width-2pow${bits}_date-${date}`;
      return [release, `${owner}/${release}`, folder];
    },
  ),
];

/** All that SAELens 6.54's registry names. */
export const RELEASE_FAMILIES: readonly ReleaseFamily[] = [
  {
    name: "SAELens",
    releases: new Map(SAE_LENS_RELEASES.map(([release, repository]) => [release, repository])),
    format: "saelens",
    path: saeLensPath,
    example: "blocks.8.hook_resid_pre",
    config: (release) => CORRECTIONS[release],
  },
  {
    name: "Gemma Scope",
    releases: combine(
      [gemmaScope1, ["", "-canonical"]],
      (name, canonical) => `gemma-scope-${name}${canonical}`,
      (name) => `google/gemma-scope-${name}`,
    ),
    format: "gemma-scope",
    path: (id, release) => release.endsWith("-canonical") ? canonicalPath(id, release) : id,
    example: "layer_12/width_16k/canonical",
  },
  { name: "Gemma Scope 2", format: "gemma-scope-2", ...gemmaScope2(["res", "att", "mlp"]) },
  {
    name: "Llama Scope",
    releases: combine(
      [["r", "a", "m"], ["8", "32"]],
      (site, times) => `llama_scope_lx${site}_${times}x`,
      (site, times) => `fnlp/Llama3_1-8B-Base-LX${site.toUpperCase()}-${times}x`,
    ),
    format: "llama-scope",
    path(id) {
      const [, layer, site, times] = /^l(\d+)([ram])_(8|32)x$/.exec(id) ?? [];
      return layer && `Llama3_1-8B-Base-L${layer}${site.toUpperCase()}-${times}x`;
    },
    example: "l12r_8x",
  },
  {
    name: "Llama Scope R1",
    releases: new Map([["llama_scope_r1_distill", "fnlp/Llama-Scope-R1-Distill"]]),
    format: "llama-scope-r1",
    path: (id) =>
      r1Mixes.map(([pattern, folder]) => layered(`${folder}/L{L}R`, pattern)(id))
        .find((path) => path !== undefined),
    example: "l12r_800m_slimpajama",
  },
  {
    name: "Qwen Scope",
    releases: new Map(qwen.flatMap(([model, width, ks]) =>
      ks.map((k) => [
        `${model.toLowerCase().replace("qwen", "qwen-scope-")}-w${width}k-l${k}`,
        `Qwen/SAE-Res-${model}-W${width}K-L0_${k}`,
      ])
    )),
    format: "torch",
    path: layered("layer{L}.sae.pt", /^layer(\d+)$/),
    example: "layer12",
  },
  {
    name: "dictionary_learning, SAEBench",
    releases: new Map([
      ...saeBench.map(([release, repository]): [string, string] => [release, repository]),
      ...["llama-3.1-8b-instruct", "qwen2.5-7b-instruct", "gpt-oss-20b"].map((
        model,
      ): [string, string] => [`${model}-andyrdt`, `andyrdt/saes-${model}`]),
    ]),
    format: "dictionary-learning",
    path(id, release) {
      const path = trainerPath(id);
      const folder = saeBench.find(([name]) => name === release)?.[2];
      return path && (folder === undefined ? path : `${folder}/${path}`);
    },
    example: "blocks.12.hook_resid_post__trainer_0",
  },
  {
    name: "Goodfire",
    releases: combine(
      [["3.3-70B-Instruct-SAE-l50", "3.1-8B-Instruct-SAE-l19"]],
      (name) => `goodfire-llama-${name.toLowerCase().replace(/-sae-.*/, "")}`,
      (name) => `Goodfire/Llama-${name}`,
    ),
    format: "torch",
    path: (id, release) =>
      release.includes("3.3")
        ? layered("Llama-3.3-70B-Instruct-SAE-l{L}.pt", /^layer_(50)$/)(id)
        : layered("Llama-3.1-8B-Instruct-SAE-l{L}.pth", /^layer_(19)$/)(id),
    example: "layer_19",
  },
  {
    name: "DeepSeek R1",
    releases: new Map([[
      "deepseek-r1-distill-llama-8b-qresearch",
      "qresearch/DeepSeek-R1-Distill-Llama-8B-SAE-l19",
    ]]),
    format: "torch",
    path: layered(
      "DeepSeek-R1-Distill-Llama-8B-SAE-l{L}.pt",
      /^blocks\.(19)\.hook_resid_post$/,
    ),
    example: "blocks.19.hook_resid_post",
  },
  {
    name: "attention heads (hook_z)",
    releases: new Map([["gpt2-small-hook-z-kk", "ckkissane/attn-saes-gpt2-small-all-layers"]]),
    format: "torch",
    path: (id, release) => ODD_PATHS[release][id],
    example: "blocks.8.hook_z",
  },
  { name: "transcoders", refused: transcoder, ...gemmaScope2(["transcoders"]) },
  {
    name: "transcoders",
    releases: new Map([
      ["gemma-scope-2b-pt-transcoders", "google/gemma-scope-2b-pt-transcoders"],
      ...["4b", "8b", "14b", "14b-lowl0", "1.7b-lowl0", "0.6b-lowl0"].map((
        name,
      ): [string, string] => {
        const [size, low = ""] = name.split(/(?=-)/);
        return [
          `mwhanna-qwen3-${size}-transcoders${low}`,
          `mwhanna/qwen3-${size}-transcoders${low}`,
        ];
      }),
    ]),
    refused: transcoder,
    path: same,
    example: "layer_12",
  },
  {
    name: "cross-layer transcoders",
    releases: new Map([["mntss-gemma-2-2b-2.5m-clt-as-per-layer", "mntss/clt-gemma-2-2b-2.5M"]]),
    refused: crossLayer,
    path: same,
    example: "layer_12",
  },
  {
    name: "temporal",
    releases: new Map([
      ["temporal-sae-gemma-2-2b", "canrager/temporalSAEs"],
      ["temporal-sae-llama-3.1-8b", "canrager/temporalSAEs"],
    ]),
    refused: "a temporal SAE encodes a sample with those before it",
    path: same,
    example: "blocks.12.hook_resid_post",
  },
];
