import { join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import { ARCHITECTURES } from "../sae/architectures/registry.ts";

/** Commands that write a folder, and the kinds of runs that a folder holds. */
export type WritingCommand =
  | "train"
  | "sweep"
  | "stitch"
  | "meta"
  | "harvest"
  | "convert"
  | "dashboard"
  | "probe"
  | "explore"
  | "explain";

/** Those from before there were manifests. */
type EarlierCommand = Exclude<WritingCommand, "dashboard" | "probe" | "explore" | "explain">;

const SAE = String.raw`(cfg\.json|sae_weights\.safetensors|\.cfg\.json\.before)`;
const CHECKPOINT = String.raw`checkpoint/checkpoint\.safetensors`;
const CELL = String.raw`(${ARCHITECTURES.join("|")})_m\d[^/]*`;

/** A model and a source of it. */
const NEURONPEDIA = String.raw`neuronpedia/[\w-]+/\d+-[\w-]+`;

const all = (...parts: string[]) => new RegExp(`^(${parts.join("|")})$`);

/**
 * Names of the files that each command writes, relative to its folder. Nothing else is written, and
 * nothing else is ever removed, whatever a manifest says.
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
    String.raw`report\.html|stitch\.json|(saes|overlap|decoder_biases|controls|claims)\.csv`,
    String.raw`(latents|swaps|path|random_insertion|roc|similarity|missing_information)_[^/]+\.csv`,
    String
      .raw`plots/((cosine|effects|similarity|swaps|missing_information|path)_[^/]+)\.svg`,
    String.raw`plots/(roc|random_insertion|shrinkage|overlap)\.svg`,
  ),
  meta: all(
    String.raw`report\.html|meta\.json`,
    String
      .raw`(claims|metrics|latents|meta_latents|latent_meta_latents|meta_latent_latents|compared)\.csv`,
    String.raw`plots/(cosine_[^/]+|mean_cosine|replacement)\.svg`,
    `meta/${SAE}`,
  ),
  harvest: all(String.raw`store\.json|shard-\d+\.bin`),
  convert: all(SAE),
  dashboard: all(
    String.raw`dashboard\.json|(index|latents|search|meta|shard-\d{3,})\.bin`,
    String.raw`pages/latent-\d+\.html`,
    String.raw`${NEURONPEDIA}/(release|model|sourceset|source)\.jsonl`,
    String.raw`${NEURONPEDIA}/(features|activations)/batch-\d+\.jsonl\.gz`,
  ),
  explore: all(
    String
      .raw`index\.html|icon\.svg|(explorer|worker)\.js|explorer\.css|site\.json|ort/ort\.(mjs|wasm)`,
    String.raw`data/\d+/(dashboard\.json|(index|latents|search|meta|shard-\d{3,})\.bin)`,
    String.raw`own/\d+/sae\.bin|models/\d+/(prefix\.onnx|(tokenizer(_config)?|texts)\.json)`,
    String.raw`pairs/\d+/(pair\.json|(effects|path|groups|groups_of_small|missing)\.bin)`,
    String.raw`(results|sweeps)/\d+/(results|sweep)\.json`,
    String.raw`(pairs|results|sweeps)/\d+/plots/[^/]+\.svg`,
  ),
  probe: all(
    String.raw`report\.html|(probes|perturbation)\.csv`,
    String.raw`plots/(probes_k|perturbation_n)\d+\.svg`,
  ),
  explain: all(
    String.raw`(meta_)?explanations\.(jsonl|csv)|labels\.jsonl`,
    String.raw`multiple_choice\.csv|summary\.json|answers\.jsonl`,
  ),
};

/** Folders that these files are in. */
export const RUN_FOLDERS = all(
  String
    .raw`plots|meta|sae|ort|(data|own|models)(/\d+)?|checkpoint|${CELL}(/(sae|ort|(data|own|models)(/\d+)?|checkpoint))?`,
  String.raw`(pairs|results|sweeps)(/\d+(/plots)?)?`,
  String.raw`pages|neuronpedia(/[\w-]+)?|${NEURONPEDIA}(/(features|activations))?`,
);

/** Files of an unfinished run that took long to make: they are not replaced without --overwrite. */
export const WORK =
  /(^|\/)(checkpoint\.safetensors|sae_weights\.safetensors|cell\.json|store\.json|answers\.jsonl)$/;

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

/** The manifest of an output folder: which run wrote which of its files. */
export const MANIFEST = "saewing.json";
/** Locked by the command that uses the folder. */
export const LOCK = ".lock";

const FORMAT = "saewing run";

/** `saewing.json`. */
export interface RunManifest {
  /** What the file is. */
  format: "saewing run";
  /** Of the format. */
  version: 1;
  /** Program and version. */
  createdBy: string;
  /** The run, a UUID. One that continues keeps it. */
  run: string;
  /** What wrote it. */
  command: WritingCommand;
  /** The options that it was called with last, plain JSON. */
  options: Record<string, unknown>;
  /** ISO 8601. */
  started: string;
  /** ISO 8601; absent until all results are there. */
  finished?: string;
  /** Every file of the run, relative to the folder. Each is listed before it is written. */
  files: string[];
  /** Files of the run before, while they are removed. */
  clears?: string[];
}

/** A run that a folder holds. */
export interface FoundRun {
  /** What wrote it. */
  command: WritingCommand;
  /** When it was finished, ISO 8601; absent where it was not. */
  finished?: string;
  /** Its files that are there, relative to the folder. */
  files: string[];
  /** Whether its process ended while it replaced another run. */
  halfReplaced: boolean;
  /** Its manifest; absent in folders from before there were manifests. */
  manifest?: RunManifest;
}

/**
 * The run that a folder holds; undefined where it holds none. Folders from before there were manifests
 * are recognised by their files.
 *
 * @param present What the folder holds, by {@linkcode listFiles}.
 * @throws {Error} The manifest is malformed.
 */
export async function findRun(folder: string, present: string[]): Promise<FoundRun | undefined> {
  const manifest = readManifest(folder);
  if (!manifest) return await findEarlierRun(folder, present);
  const { command, files, clears = [] } = manifest;
  const finished = manifest.finished ??
    // A store has its own header, which is written before the manifest.
    (command === "harvest" && clears.length === 0 ? await storeFinished(folder) : undefined);
  const halfReplaced = clears.length > 0;
  const listed = new Set([...files, ...clears]);
  // Shards are listed in store.json while they are written.
  const isOwn = (name: string) => listed.has(name) || isStoreFile(command, name);
  return { command, finished, files: present.filter(isOwn), halfReplaced, manifest };
}

/** The manifest of a folder, if it has one. */
export function readManifest(folder: string): RunManifest | undefined {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = readRegularText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
  const manifest = parseCheckedJson(path, text) as RunManifest;
  const problem = problemOf(manifest);
  if (problem) {
    throw new Error(
      `${path} is not what saewing writes: ${problem}. Choose another folder, or remove what this one ` +
        `holds`,
    );
  }
  return manifest;
}

function problemOf(manifest: unknown): string | undefined {
  if (!isRecord(manifest)) return "it is not a JSON object";
  const { format, version, run, command, options, started, finished, files, clears } = manifest;
  if (format !== FORMAT || version !== 1) {
    return `format and version are ${
      JSON.stringify([format, version])
    }, expected "${FORMAT}" and 1`;
  }
  if (typeof command !== "string" || !Object.hasOwn(RUN_FILES, command)) {
    return `there is no command ${JSON.stringify(command)} that writes folders`;
  }
  if (typeof run !== "string" || !isRecord(options)) return "run or options are missing";
  for (const time of finished === undefined ? [started] : [started, finished]) {
    if (typeof time !== "string" || Number.isNaN(Date.parse(time))) return "a time is no time";
  }
  const writes = (names: RegExp[]) => (file: unknown) =>
    typeof file === "string" && names.some((name) => name.test(file)) && isInside(file);
  if (!Array.isArray(files) || !files.every(writes([RUN_FILES[command as WritingCommand]]))) {
    return `files are not all such as \`saewing ${command}\` writes`;
  }
  if (clears === undefined) return undefined;
  if (!Array.isArray(clears) || !clears.every(writes(Object.values(RUN_FILES)))) {
    return "clears are not all such as saewing writes";
  }
}

/** Whether a path stays in its folder. */
function isInside(path: string): boolean {
  return path.split("/").every((part) => !["", ".", ".."].includes(part)) && !/[\\\0]/.test(path);
}

/** Files that identify the command of a folder without a manifest. */
const MARKERS: Record<EarlierCommand, RegExp> = {
  train: /^config\.json$/,
  sweep:
    /^(sweep\.(csv|html)|[^/]+\/cell\.json|[^/]+_m\d[^/]*\/checkpoint\/checkpoint\.safetensors)$/,
  stitch: /^(overlap|decoder_biases)\.csv$/,
  meta: /^(latent_meta_latents|meta_latents)\.csv$/,
  harvest: /^(store\.json|shard-\d+\.bin)$/,
  convert: /^(cfg\.json|sae_weights\.safetensors)$/,
};

async function findEarlierRun(folder: string, present: string[]): Promise<FoundRun | undefined> {
  const config = present.includes("config.json") ? readConfig(folder) : undefined;
  const isRun = isRecord(config?.options) || typeof config?.batchSize === "number";
  const commands = (Object.keys(MARKERS) as EarlierCommand[]).filter((command) =>
    present.some((name) => MARKERS[command].test(name)) && (command !== "train" || isRun)
  );
  if (commands.length === 0) return undefined;
  const [command] = commands;
  const files = present.filter((name) => commands.some((each) => RUN_FILES[each].test(name)));
  const marker = present.find((name) => MARKERS[command].test(name))!;
  const { mtime } = await Deno.stat(join(folder, marker));
  const isFinished = {
    train: config?.finished === true ||
      !has("checkpoint/checkpoint.safetensors") && has("sae/sae_weights.safetensors"),
    sweep: has("sweep.html"),
    stitch: has("report.html"),
    meta: has("report.html"),
    harvest: await storeFinished(folder) !== undefined,
    convert: true,
  };
  function has(name: string): boolean {
    return present.includes(name);
  }
  const finished = isFinished[command] ? (mtime ?? new Date()).toISOString() : undefined;
  return { command, finished, files, halfReplaced: false };
}

function readConfig(folder: string): Record<string, unknown> | undefined {
  try {
    const config: unknown = JSON.parse(readRegularText(join(folder, "config.json")));
    return isRecord(config) ? config : undefined;
  } catch {
    // A file that is not JSON is another program's.
    return undefined;
  }
}

/** When a store was finished; undefined where it was not, or cannot be read. */
async function storeFinished(folder: string): Promise<string | undefined> {
  const path = join(folder, "store.json");
  try {
    const { complete } = JSON.parse(readRegularText(path));
    const { mtime } = await Deno.stat(path);
    return complete === true ? (mtime ?? new Date()).toISOString() : undefined;
  } catch {
    return undefined;
  }
}

function isStoreFile(command: WritingCommand, name: string): boolean {
  return command === "harvest" && RUN_FILES.harvest.test(name);
}

/**
 * Files of a folder and of those below it that a run has, relative to it, with "/". Links are listed,
 * not followed. Subfolders with their own run are skipped.
 */
export async function listFiles(folder: string, within = ""): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(folder, within)));
  if (within !== "" && entries.some(({ name }) => name === MANIFEST)) return [];
  const found: string[] = [];
  for (const { name, isDirectory } of entries) {
    const path = within === "" ? name : `${within}/${name}`;
    if (!isDirectory) {
      if (path !== MANIFEST && path !== LOCK) found.push(path);
    } else if (RUN_FOLDERS.test(path)) {
      found.push(...await listFiles(folder, path));
    }
  }
  return found.sort();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
