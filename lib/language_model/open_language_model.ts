import { join } from "node:path";
import type { Matrix } from "../matrix.ts";
import { readModelConfig } from "./model_config.ts";
import type { Progress } from "../progress.ts";
import type { LanguageModel, SpliceLosses } from "./language_model.ts";
import type { HubOptions } from "./hub_request.ts";
import { type Dtype, findModelFiles } from "./model_files.ts";
import { checkReplacement, checkTokens } from "./check_tokens.ts";
import { readHooks, resolveHook } from "./resolve_hook.ts";
import { checkModelDevice, choosePlace, type ModelDevice } from "./choose_place.ts";
import type { HookPoint } from "./find_hooks.ts";
import { insertTensor } from "./insert_tensor.ts";
import { startModelWorker } from "./model_worker.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { rotaryWarning } from "./rotary_base.ts";
import { refusedOnCpu } from "./operators.ts";
import { readRegularText } from "./regular_file.ts";
import { modelBytes } from "./split_graph.ts";
import type { HookTensor, WorkerModel } from "./worker_messages.ts";
import { openTokenizer, type Tokenizer, tokenizerBosToken } from "./tokenizer.ts";
import { checkWhole } from "../whole_number.ts";

export type { Dtype, LanguageModel, SpliceLosses, Tokenizer };

/** Options of {@linkcode openLanguageModel}. */
export interface LanguageModelOptions extends HubOptions {
  /**
   * The point that is read and replaced: in the residual stream (`blocks.2.hook_resid_pre`, `…_mid`,
   * `…_post`), of a branch (`blocks.2.hook_attn_out`, `…mlp_out`), or inside a layer
   * (`blocks.2.attn.hook_z`, `…mlp.hook_post`). Its name is TransformerLens's, TransformerBridge's
   * (`blocks.2.hook_in`), a module's (`model.layers.12` is its output), or that of its tensor in the
   * ONNX graph.
   */
  hook: string;
  /** Further hooks that `activationsOf` reads in the same run of the model, default none. */
  moreHooks?: string[];
  /**
   * Weights to load, default "fp32". Relative to float32, "fp16" changes activations by about 1e-3,
   * 8 bits by 3e-2 to 1e-1, 4 bits by 2e-1 to 5e-1. With float16 weights ONNX Runtime 1.30 uses an
   * epsilon of 1e-5 in RMS norms on the CPU, also where the file has another (Gemma: 1e-6).
   */
  dtype?: Dtype;
  /** Device of the model, default "cpu". On others a row of tokens is compared with the CPU first. */
  device?: ModelDevice;
  /** Threads of ONNX Runtime, default the number of cores. While training, one less is faster. */
  threads?: number;
  /**
   * Name of the file in onnx/ without the dtype's suffix and the extension, default "model". A name
   * with a slash is a path from the model's folder, and one that ends with `.onnx` is complete.
   */
  modelFile?: string;
  /** Folder for downloads, default Hugging Face's cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
  /** Branch, tag or commit on the hub, default "main". */
  revision?: string;
  /** Called while files are downloaded: `phase` is the file, `done` and `total` are bytes. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Opens a decoder's ONNX export at a hook.
 *
 * @param idOrFolder A folder (config.json, tokenizer.json, onnx/model.onnx), an .onnx file, or a
 * Hugging Face hub id, which is downloaded once.
 * @param options The hook, the weights and the device.
 * @throws {Error} Files are missing or unreadable, the model has no such hook (the message lists its
 * hooks), or the graph has an operator that the CPU does not run.
 */
export async function openLanguageModel(
  idOrFolder: string,
  options: LanguageModelOptions,
): Promise<LanguageModel> {
  const { hook, device = "cpu" } = options;
  const threads = options.threads ?? navigator.hardwareConcurrency;
  checkWhole(threads, "threads");
  const files = await findModelFiles(idOrFolder, {
    ...options,
    dtype: options.dtype ?? "fp32",
    modelFile: options.modelFile ?? "model",
    revision: options.revision ?? "main",
  });
  const configPath = join(files.folder, "config.json");
  const { family: _, bosToken: configBos, rotaryBases, ...config } = readModelConfig(
    readRegularText(configPath),
    configPath,
  );
  const onnx = readOnnxGraph(files.onnx);
  const hooks = readHooks(onnx, config);
  const points = [hook, ...options.moreHooks ?? []].map((name) => ({
    name,
    ...resolveHook(name, hooks, onnx, config),
  }));
  // Copies first: they refer to readers by their outputs, which change when a norm is split.
  for (const { tensor, insert } of points.toSorted((a) => a.insert?.kind === "copy" ? -1 : 1)) {
    if (insert) onnx.model.graph = insertTensor(onnx.model.graph!, tensor, insert);
  }
  const [point] = points;
  const parts = points.map(({ tensor, width = config.dModel }) => ({ tensor, width }));
  const [{ width }] = parts;
  checkModelDevice(device);
  const refusal = device === "cpu" || device === "auto" ? refusedOnCpu(onnx.graph) : undefined;
  if (refusal !== undefined) throw new Error(`${files.onnx}: ${refusal}`);
  const warning = rotaryWarning(onnx, rotaryBases);
  const tokenizer = await openTokenizer(files.folder) ?? noTokenizer(files.folder);
  const bosToken = configBos ?? tokenizerBosToken(files.folder);
  const run: Omit<WorkerModel, "device"> = {
    structure: modelBytes(onnx.model),
    folder: onnx.folder,
    tensor: point.tensor,
    width,
    stream: point.stream,
    dModel: config.dModel,
    logits: hooks.logits,
    vocabSize: config.vocabSize,
    threads,
  };
  const place = await choosePlace(device, async (one) => {
    const worker = startModelWorker(
      { ...run, structure: run.structure.slice(), device: one },
      idOrFolder,
    );
    try {
      const length = Math.min(64, config.maxContext);
      const tokens = Int32Array.from({ length }, (_, i) => (i * 7919) % config.vocabSize);
      const points = parts.slice(0, 1);
      return (await worker.ask({ kind: "activations", tokens, rows: 1, points }))[0];
    } finally {
      await worker.close();
    }
  });
  const worker = startModelWorker({ ...run, device: place.device }, idOrFolder);

  const limits = { ...config, id: idOrFolder, minContext: 1 };

  async function read(tokens: Int32Array, rows: number, points: HookTensor[]): Promise<Matrix[]> {
    const request = { kind: "activations", tokens: tokens.slice(), rows, points } as const;
    const found = await worker.ask(request);
    return found.map((data, i) => ({ data, rows: tokens.length, cols: points[i].width }));
  }

  async function losses(
    tokens: Int32Array,
    rows: number,
    variants: (Matrix | undefined)[],
    divergence: boolean,
  ): Promise<Float32Array[]> {
    checkTokens(tokens, rows, { ...limits, minContext: 2 });
    for (const one of variants) if (one) checkReplacement(one, tokens.length, width);
    const copies = variants.map((one) => one?.data.slice());
    const request = { kind: "losses", tokens: tokens.slice(), rows, divergence } as const;
    return await worker.ask({ ...request, variants: copies });
  }

  return {
    ...config,
    ...tokenizer,
    id: idOrFolder,
    dModel: width,
    hook: nameOf(point),
    tensor: point.tensor,
    place,
    inStream: !/\.(attn|mlp|ln\d)\./.test(nameOf(point)),
    hooks: points.map((one, i) => ({ hook: nameOf(one), dModel: parts[i].width })),
    warnings: warning === undefined ? [] : [warning],
    get bosToken() {
      if (bosToken !== undefined) return bosToken;
      throw new Error(
        `${configPath} has no bos_token_id or eos_token_id and the tokenizer has no such token, ` +
          `expected one to begin rows of text: write bos_token_id into config.json`,
      );
    },
    async activations(tokens, rows) {
      checkTokens(tokens, rows, limits);
      return (await read(tokens, rows, parts.slice(0, 1)))[0];
    },
    async activationsOf(tokens, rows) {
      checkTokens(tokens, rows, limits);
      return await read(tokens, rows, parts);
    },
    async crossEntropy(tokens, rows, replacement) {
      return (await losses(tokens, rows, [replacement], false))[0];
    },
    async spliceLosses(tokens, rows, replacements, own) {
      const found = await losses(tokens, rows, [own, ...replacements], true);
      const count = replacements.length;
      return {
        own: found[0],
        spliced: replacements.map((_, i) => ({
          loss: found[1 + i],
          divergence: found[1 + count + i],
        })),
      };
    },
    async logits(tokens, rows, replacement, { last = false } = {}) {
      checkTokens(tokens, rows, limits);
      if (replacement) checkReplacement(replacement, tokens.length, width);
      const request = { kind: "logits", tokens: tokens.slice(), rows, last } as const;
      const [data] = await worker.ask({ ...request, replacement: replacement?.data.slice() });
      const count = last ? rows : tokens.length;
      return { data, rows: count, cols: data.length / count };
    },
    async unembed({ data: directions, rows, cols }, { finalNorm = false } = {}) {
      if (cols !== config.dModel || directions.length !== rows * cols || rows === 0) {
        throw new Error(
          `directions is [${rows}, ${cols}] with ${directions.length} numbers, expected ` +
            `[1 or more, ${config.dModel}], the width of the residual stream`,
        );
      }
      const request = {
        kind: "unembed",
        directions: directions.slice(),
        scale: finalNorm,
      } as const;
      const [data] = await worker.ask(request);
      return { data, rows, cols: data.length / rows };
    },
    [Symbol.asyncDispose]: () => worker.close(),
  };
}

function nameOf({ name, hooks, tensor }: { name: string } & HookPoint): string {
  return hooks.includes(name) ? name : hooks[0] ?? tensor;
}

function noTokenizer(folder: string): Tokenizer {
  const missing = () => {
    throw new Error(
      `${join(folder, "tokenizer.json")} does not exist, expected a tokenizer for text`,
    );
  };
  return { tokenize: missing, decode: missing, tokenText: missing };
}
