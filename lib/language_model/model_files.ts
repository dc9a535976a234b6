import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import type { Progress } from "../progress.ts";
import { downloadHubFile } from "./hub_file.ts";
import { HubFileMissingError, isHubId } from "./hub_location.ts";
import { listHubFiles } from "./hub_listing.ts";
import type { HubOptions } from "./hub_request.ts";
import { explainModelName, exportOf } from "./model_names.ts";
import { externalFiles } from "./onnx_graph.ts";

/** Numeric type of a model's weights, by transformers.js's names. */
export type Dtype =
  | "fp32"
  | "fp16"
  | "q8"
  | "int8"
  | "uint8"
  | "q4"
  | "q4f16"
  | "bnb4";

/** Which of a model's files to find, and where. */
export interface ModelFileOptions extends HubOptions {
  /** Numeric type of the weights. */
  dtype: Dtype;
  /**
   * Name of the ONNX file without the dtype's suffix and the extension, in onnx/ or the model's
   * folder. A name with a slash is a path from the model's folder; one that ends with `.onnx` is
   * complete.
   */
  modelFile: string;
  /** Folder for downloads. */
  cacheDir?: string;
  /** Branch, tag or commit on the hub. */
  revision: string;
  /** Called while files are downloaded. */
  onProgress?: (progress: Progress) => void;
}

/** A model is neither a folder nor on the hub, or cannot be downloaded. */
export class ModelMissingError extends Error {
  /** The error's name, printed before the message. */
  override name: string = "ModelMissingError";
}

/** A model's files on disk. */
export interface ModelFiles {
  /** The model's folder, with config.json and the tokenizer's files. */
  folder: string;
  /** The ONNX file. */
  onnx: string;
}

const suffixes: Record<Dtype, string> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  int8: "_int8",
  uint8: "_uint8",
  q4: "_q4",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
};

/**
 * Finds a model's files: in the folder `idOrFolder`, beside the .onnx file `idOrFolder`, or for a
 * Hugging Face hub id in the cache, into which they are downloaded.
 *
 * @throws {ModelMissingError} There is no such folder, and no such model on the hub.
 * @throws {Error} A file is missing in the folder; the message lists the .onnx files that are there.
 */
export async function findModelFiles(
  idOrFolder: string,
  options: ModelFileOptions,
): Promise<ModelFiles> {
  const suffix = suffixes[options.dtype];
  if (suffix === undefined) {
    const names = Object.keys(suffixes).join(", ");
    throw new Error(`dtype is ${JSON.stringify(options.dtype)}, expected one of ${names}`);
  }
  const { modelFile } = options;
  const name = modelFile.endsWith(".onnx") ? modelFile : `${modelFile}${suffix}.onnx`;
  const names = name.includes("/") ? [name] : [`onnx/${name}`, name];
  const local = resolve(idOrFolder);
  if (existsSync(local)) {
    return statSync(local).isFile() ? fileAlone(local) : localFiles(local, names);
  }
  // Not of the form of an id: it was meant as a folder.
  if (!isHubId(idOrFolder)) {
    throw new ModelMissingError(
      `${local} does not exist, expected a folder with config.json and onnx/`,
    );
  }
  // Probably a misspelt path; asking the hub would take seconds.
  const parent = dirname(local);
  if (idOrFolder.includes("/") && existsSync(parent)) {
    throw new ModelMissingError(
      `${local} does not exist, expected a folder with config.json and onnx/ (${idOrFolder} is not ` +
        `looked up on the hub, because the folder ${parent} exists)`,
    );
  }
  return await hubFiles(exportOf(idOrFolder), names, options);
}

function fileAlone(path: string): ModelFiles {
  if (!path.endsWith(".onnx")) {
    throw new Error(`${path} is a file, expected the model's folder (config.json, onnx/)`);
  }
  const parents = [dirname(path), dirname(dirname(path))];
  const folder = parents.find((parent) => existsSync(join(parent, "config.json")));
  if (!folder) throw new Error(`${path} has no config.json beside it or in the folder above`);
  return { folder, onnx: path };
}

function localFiles(folder: string, names: string[]): ModelFiles {
  if (!existsSync(join(folder, "config.json"))) throw new Error(`${folder} has no config.json`);
  const paths = names.map((name) => join(folder, name));
  const onnx = paths.find((path) => existsSync(path));
  if (onnx) return { folder, onnx };
  const there = [...new Set(paths.map(dirname))].map((parent) => {
    const found = existsSync(parent)
      ? readdirSync(parent).filter((name) => name.endsWith(".onnx")).sort()
      : [];
    return `${parent} has ${found.join(", ") || "no .onnx files"}`;
  });
  throw new Error(`${paths[0]} does not exist; ${there.join("; ")}`);
}

async function hubFiles(
  repo: string,
  names: string[],
  options: ModelFileOptions,
): Promise<ModelFiles> {
  let commit: string | undefined;
  const get = async (file: string) =>
    (await downloadHubFile({ ...options, repo, file, commit })).path;
  try {
    const config = await downloadHubFile({ ...options, repo, file: "config.json" });
    // The branch may change meanwhile: all files must be of one commit.
    ({ commit } = config);
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) await optional(get(file));
    const paths: string[] = [];
    for (const name of names) {
      const path = await optional(get(name));
      if (!path) continue;
      paths.push(path);
      // The graph names its files of weights: any number, with any names.
      for (const data of externalFiles(path)) await get(posix.join(posix.dirname(name), data));
      break;
    }
    if (paths.length > 0) return { folder: dirname(config.path), onnx: paths[0] };
    throw new HubFileMissingError(await noOnnxFile(repo, names, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    const hint = explainModelName(repo);
    throw new ModelMissingError(
      `${repo} is not a folder, and on the hub: ${messageOf(error)}` +
        (hint ? `. ${hint}` : ""),
      { cause: error },
    );
  }
}

async function optional(path: Promise<string>): Promise<string | undefined> {
  try {
    return await path;
  } catch (error) {
    if (error instanceof HubFileMissingError) return undefined;
    throw error;
  }
}

async function noOnnxFile(
  repo: string,
  names: string[],
  options: ModelFileOptions,
): Promise<string> {
  const missing = `${repo} has no ${names.join(" and no ")}`;
  try {
    const files = await listHubFiles({ ...options, repo });
    const found = files.filter((file) => file.endsWith(".onnx"));
    if (found.length === 0) {
      return `${missing}; it has no ONNX file (exports are often in the repository of the same name ` +
        `at onnx-community)`;
    }
    return `${missing}; it has ${found.join(", ")}`;
  } catch {
    // The message is complete without the list.
    return missing;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
