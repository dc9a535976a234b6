import { existsSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

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

/** How far the download of a file is. */
export interface DownloadProgress {
  /** File name in the model's repository. */
  file: string;
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all, 0 where the server does not say. */
  total: number;
}

/** Where a model is looked for. */
export interface ModelFileOptions {
  /** Which of the model's files, default "fp32". */
  dtype: Dtype;
  /** Name of the ONNX file without suffix and extension, default "model". */
  modelFile: string;
  /** Folder that downloads go to. */
  cacheDir?: string;
  /** Branch, tag or commit on the hub, default "main". */
  revision: string;
  /** Called while files are downloaded. */
  onProgress?: (progress: DownloadProgress) => void;
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
 * Finds a model's files: in the folder `idOrFolder` where there is one, else as a Hugging Face hub
 * id in the cache, else by downloading them into the cache.
 *
 * @throws Error naming the folder or file that is missing and what is there instead, or saying that
 * the hub cannot be reached.
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
  const onnxName = `${options.modelFile}${suffix}.onnx`;
  const local = resolve(idOrFolder);
  if (existsSync(local)) return localFiles(local, onnxName);
  // One slash at most, and no leading dot or slash: what cannot be an id was meant as a folder.
  if (!/^\w[\w.-]*(\/\w[\w.-]*)?$/.test(idOrFolder)) {
    throw new Error(`${local} does not exist, expected a folder with config.json and onnx/`);
  }
  return await hubFiles(idOrFolder, onnxName, options);
}

function localFiles(folder: string, onnxName: string): ModelFiles {
  if (!statSync(folder).isDirectory()) {
    throw new Error(`${folder} is a file, expected the model's folder (config.json, onnx/)`);
  }
  if (!existsSync(join(folder, "config.json"))) throw new Error(`${folder} has no config.json`);
  const onnx = join(folder, "onnx", onnxName);
  if (!existsSync(onnx)) {
    const parent = join(folder, "onnx");
    const found = existsSync(parent)
      ? readdirSync(parent).filter((name) => name.endsWith(".onnx")).sort()
      : [];
    throw new Error(
      `${onnx} does not exist; ${parent} has ${found.join(", ") || "no .onnx files"}`,
    );
  }
  return { folder, onnx };
}

async function hubFiles(
  id: string,
  onnxName: string,
  { dtype, modelFile, cacheDir, revision, onProgress }: ModelFileOptions,
): Promise<ModelFiles> {
  const cache = resolve(cacheDir ?? join(homedir(), ".cache", "saewing", "models"));
  // transformers.js's layout: the revision is a folder of its own unless it is main.
  const folder = revision === "main" ? join(cache, id) : join(cache, id, revision);
  const wanted = ["config.json", "tokenizer.json", join("onnx", onnxName)];
  if (!wanted.every((name) => existsSync(join(folder, name)))) {
    const { AutoModelForCausalLM, AutoTokenizer, env } = await import("@huggingface/transformers");
    // The browser cache, which transformers.js takes Deno to have, would keep models in memory.
    env.useBrowserCache = false;
    env.cacheDir = cache;
    const options = {
      revision,
      cache_dir: cache,
      progress_callback: (info: { status: string } & Partial<DownloadProgress>) => {
        if (info.status !== "progress") return;
        onProgress?.({ file: info.file!, loaded: info.loaded!, total: info.total ?? 0 });
      },
    };
    try {
      await AutoTokenizer.from_pretrained(id, options);
      // Opening the whole model once is its only public way to fetch every file of the model.
      const model = await AutoModelForCausalLM.from_pretrained(id, {
        ...options,
        dtype,
        device: "cpu",
        model_file_name: modelFile,
      });
      await model.dispose();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `${id} is no folder here and could not be downloaded from ${env.remoteHost}: ${reason}. ` +
          "Without a connection, put the model's files into a folder and name that",
        { cause: error },
      );
    }
  }
  return localFiles(folder, onnxName);
}
