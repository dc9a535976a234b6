import { join } from "node:path";
import type { Matrix } from "../matrix.ts";
import { readModelConfig } from "./model_config.ts";
import type { Progress } from "../progress.ts";
import type { CachedInstead } from "./hub_request.ts";
import { type Dtype, findModelFiles } from "./model_files.ts";
import { checkReplacement, checkTokens } from "./check_tokens.ts";
import { chooseHook, hooksOf } from "./choose_hook.ts";
import type { HookPoint } from "./find_hooks.ts";
import { insertTensor } from "./insert_tensor.ts";
import { startModelWorker } from "./model_worker.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { rotaryWarning } from "./rotary_base.ts";
import { refusedOnCpu } from "./refused_operator.ts";
import { readRegularText } from "./regular_file.ts";
import { modelBytes } from "./split_graph.ts";
import type { HookTensor } from "./worker_messages.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import { tokenizerBosToken } from "./tokenizer_bos.ts";

export type { Dtype, Tokenizer };

/** How a language model is opened. */
export interface LanguageModelOptions {
  /**
   * The point that is read and replaced: of the residual stream (`blocks.2.hook_resid_pre`, `…_mid`,
   * `…_post`), of what is added to it (`blocks.2.hook_attn_out`, `…mlp_out`), or inside of a layer
   * (`blocks.2.attn.hook_z`, `…mlp.hook_post`), by its TransformerLens name,
   * TransformerBridge's (`blocks.2.hook_in`), a module's (`model.layers.12`: what it gives), or the
   * name of its tensor in the ONNX graph.
   */
  hook: string;
  /** Further points that `activationsOf` reads in the same run of the model, default none. */
  moreHooks?: string[];
  /**
   * Weights to load, default "fp32". Quantised weights move activations by about 1e-3. Of models with
   * RMS norms in half precision ONNX Runtime 1.30 takes an epsilon of 1e-5 on the CPU, whatever the
   * file has: Gemma's 1e-6 is another where what is normalised is near 0.
   */
  dtype?: Dtype;
  /** ONNX Runtime's execution provider, default "cpu". */
  device?: string;
  /** Threads of ONNX Runtime, default one less than there are cores: one is the trainer's. */
  threads?: number;
  /**
   * Name of the file in onnx/ without the dtype's suffix and the extension, default "model". A name
   * with a slash is a path from the model's folder, and one that ends with `.onnx` is complete.
   */
  modelFile?: string;
  /** Folder that downloads go to, default Hugging Face's own cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
  /** Branch, tag or commit on the hub, default "main". */
  revision?: string;
  /** Access token of the hub, default the environment's `HF_TOKEN`. */
  token?: string;
  /** Whether nothing is downloaded, default: whether the environment's `HF_HUB_OFFLINE` is 1. */
  offline?: boolean;
  /** Address of the hub, default the environment's `HF_ENDPOINT`, else https://huggingface.co. */
  endpoint?: string;
  /** Stops a download; the next one goes on from what has arrived. */
  signal?: AbortSignal;
  /** Called while files are downloaded: `phase` is the file, the numbers are bytes. */
  onProgress?: (progress: Progress) => void;
  /** Called where the hub does not answer or refuses, and the file that the cache has is used. */
  onCached?: (notice: CachedInstead) => void;
}

/**
 * A language model, cut in two at a hook: the prefix gives activations, the suffix the loss.
 * Sessions run in a worker, so answers arrive while this thread works; they come in the order of the
 * calls, and several calls may be open. A model keeps its process alive until it is disposed of.
 */
export interface LanguageModel extends Tokenizer, AsyncDisposable {
  /** Hub id or folder, as given. */
  id: string;
  /** TransformerLens name of the hook; the tensor's name where it has none. */
  hook: string;
  /** Name of the hook's tensor in the ONNX graph. */
  tensor: string;
  /** Width d of the hook: that of the residual stream, or of what is inside of a layer. */
  dModel: number;
  /**
   * Whether the hook's vectors are of the residual stream's space, in which directions have an effect on
   * logits; not inside of a layer.
   */
  inStream: boolean;
  /** The hook and those of `moreHooks`, with their widths. */
  hooks: { hook: string; dModel: number }[];
  /** Number of layers. */
  layers: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /**
   * Token that rows begin with and that separates documents: config.json's, or else the tokenizer's.
   * Reading it throws Error where neither names one.
   */
  bosToken: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** Where the file and config.json contradict each other; empty where no such place was found. */
  warnings: string[];
  /**
   * The activations at the hook.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d].
   * @throws Error (as a rejection) for token ids or lengths that do not fit the model.
   */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /**
   * The activations at all of `hooks`, in one run.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d] per hook.
   * @throws Error (as a rejection) for token ids or lengths that do not fit the model.
   */
  activationsOf(tokens: Int32Array, rows: number): Promise<Matrix[]>;
  /**
   * Loss in nats of predicting each next token, with the stream at the hook replaced, or as the
   * prefix gives it (the baseline to compare with).
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacement The stream at the hook, [rows · L, d].
   * @returns [rows · (L − 1)]: entry (r, t) is the loss of predicting token t + 1 of row r.
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Float32Array>;
  /**
   * Loss with the activations at the hook replaced in several ways, and how far each moves the
   * predictions: all in one pass, with the model's own as the reference.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacements Activations at the hook, [rows · L, d] each.
   * @param own The model's own activations, [rows · L, d], where they are known already.
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  spliceLosses(
    tokens: Int32Array,
    rows: number,
    replacements: Matrix[],
    own?: Matrix,
  ): Promise<SpliceLosses>;
  /**
   * What the model predicts at each position, with the activations at the hook replaced, or its own.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @param replacement Activations at the hook, [rows · L, d].
   * @returns Logits, [rows · L, vocabulary].
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  logits(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Matrix>;
  /**
   * Directions of the residual stream times the unembedding, W · W_U: what each adds to the logits,
   * but for the final norm, biases and soft caps.
   *
   * @param directions [n, width of the residual stream].
   * @param options `finalNorm`: whether they are multiplied by the final norm's scale first, and
   * centred before that where the norm centres.
   * @returns [n, vocabulary].
   * @throws Error (as a rejection) where the graph has no unembedding, or no final norm, that is found.
   */
  unembed(directions: Matrix, options?: { finalNorm?: boolean }): Promise<Matrix>;
}

/** What {@linkcode LanguageModel.spliceLosses} finds at each position but the last of a row. */
export interface SpliceLosses {
  /** Loss in nats with the model's own activations, [rows · (L − 1)]. */
  own: Float32Array;
  /** The same per replacement, and the divergence KL(own ‖ spliced) of the predictions in nats. */
  spliced: { loss: Float32Array; divergence: Float32Array }[];
}

/**
 * Opens a decoder's ONNX export at a hook.
 *
 * @param idOrFolder A folder (config.json, tokenizer.json, onnx/model.onnx) or a Hugging Face hub
 * id, which is downloaded once.
 * @param options The hook, and where the model runs.
 * @throws Error when files are missing or unreadable, or the model has no such hook; the message
 * lists the hooks it has. A graph that the CPU is known not to run is refused with the reason.
 */
export async function openLanguageModel(
  idOrFolder: string,
  options: LanguageModelOptions,
): Promise<LanguageModel> {
  const { hook, device = "cpu" } = options;
  const threads = options.threads ?? Math.max(1, navigator.hardwareConcurrency - 1);
  if (!(Number.isInteger(threads) && threads > 0)) {
    throw new Error(`threads is ${threads}, expected a whole number from 1`);
  }
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
  const hooks = hooksOf(onnx, config);
  const points = [hook, ...options.moreHooks ?? []].map((name) => ({
    name,
    ...chooseHook(name, hooks, onnx, config),
  }));
  // Copies first: they name their readers by outputs, which a norm that is split gives to another node.
  for (const { tensor, insert } of points.toSorted((a) => a.insert?.kind === "copy" ? -1 : 1)) {
    if (insert) onnx.model.graph = insertTensor(onnx.model.graph!, tensor, insert);
  }
  const [point] = points;
  const parts = points.map(({ tensor, width = config.dModel }) => ({ tensor, width }));
  const [{ width }] = parts;
  const refusal = device === "cpu" ? refusedOnCpu(onnx.graph) : undefined;
  if (refusal !== undefined) throw new Error(`${files.onnx}: ${refusal}`);
  const warning = rotaryWarning(onnx, rotaryBases);
  const tokenizer = await openTokenizer(files.folder) ?? noTokenizer(files.folder);
  const bosToken = configBos ?? tokenizerBosToken(files.folder);
  const worker = startModelWorker({
    structure: modelBytes(onnx.model),
    folder: onnx.folder,
    tensor: point.tensor,
    width,
    stream: point.stream,
    dModel: config.dModel,
    logits: hooks.logits,
    vocabSize: config.vocabSize,
    device,
    threads,
  }, idOrFolder);

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
    inStream: !/\.(attn|mlp|ln\d)\./.test(nameOf(point)),
    hooks: points.map((one, i) => ({ hook: nameOf(one), dModel: parts[i].width })),
    warnings: warning === undefined ? [] : [warning],
    get bosToken() {
      if (bosToken !== undefined) return bosToken;
      throw new Error(
        `${configPath} has no bos_token_id or eos_token_id and the tokenizer names no such token: ` +
          `rows of text begin with one; write bos_token_id into config.json`,
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
    async logits(tokens, rows, replacement) {
      checkTokens(tokens, rows, limits);
      if (replacement) checkReplacement(replacement, tokens.length, width);
      const [data] = await worker.ask({
        kind: "logits",
        tokens: tokens.slice(),
        rows,
        replacement: replacement?.data.slice(),
      });
      return { data, rows: tokens.length, cols: data.length / tokens.length };
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
    throw new Error(`${join(folder, "tokenizer.json")} does not exist: text needs a tokenizer`);
  };
  return { tokenize: missing, decode: missing, tokenText: missing };
}
