import { resolve } from "@std/path";
import { checkInputTransform } from "../sae/input_transform.ts";
import { checkInputScale } from "../sae/normalize_input.ts";
import type { InputTransform, Sae } from "../sae/sae.ts";
import { fetchSaeFiles, type HubSaeOptions, parseHubId } from "./hub_sae.ts";
import { loadDictionaryLearning } from "./load_dictionary_learning.ts";
import { loadGemmaScope } from "./load_gemma_scope.ts";
import { loadGemmaScope2 } from "./load_gemma_scope_2.ts";
import { loadLlamaScope, loadLlamaScopeR1 } from "./load_llama_scope.ts";
import { loadSaeLens } from "./load_sae_lens.ts";
import { loadSparsify } from "./load_sparsify.ts";
import { loadTorchSae } from "./load_torch_sae.ts";
import type { LoadRequest } from "./load_request.ts";
import { findSaeFiles, type SaeFiles } from "./sae_files.ts";
import { correctionsOf, nearRelease, parseRelease } from "./sae_releases.ts";

/** Options of {@linkcode loadSae}. Those of the hub matter for hub ids only. */
export interface LoadSaeOptions extends HubSaeOptions {
  /** Stops the reading, and the download. */
  signal?: AbortSignal;
  /**
   * Keys that replace those of the SAE's own `cfg.json`, for published SAEs whose config is wrong or
   * does not say enough: `{ architecture: "topk", k: 32 }`.
   */
  config?: Readonly<Record<string, unknown>>;
  /**
   * The transform of each activation, in place of what files or rules say: "center" for SAEs that were
   * trained on models whose writing weights were centred, "none" for others.
   */
  inputTransform?: InputTransform;
  /**
   * The factor of an SAE that normalises its input by "expected_average_only_in", √d over the mean norm of its
   * training data, where its files lack it or another is wanted.
   */
  inputScale?: number;
  /**
   * Called with notes on the SAE, one sentence each: a rule decided whether activations are centred, as its
   * config does not say; the origin of its input factor; it was trained on rows without BOS.
   */
  onNote?: (note: string) => void;
}

/**
 * Loads an SAE from a folder, a file or the Hugging Face hub, in one of these formats:
 * - a folder that `saveSae` wrote;
 * - SAELens, of any version: `cfg.json` and `sae_weights.safetensors`, architectures standard, topk,
 *   batchtopk, matryoshka_batchtopk (as batchtopk), jumprelu and gated;
 * - Gemma Scope: `params.npz`; Gemma Scope 2: `params.safetensors`;
 * - Llama Scope: `hyperparams.json` and `checkpoints/final.safetensors`, and that of DeepSeek R1's Llama;
 * - dictionary_learning and SAEBench: `ae.pt` and `config.json`;
 * - sparsify: `cfg.json` and `sae.safetensors`, activation topk;
 * - files of `torch.save` that stand alone: Qwen Scope's, Goodfire's, qresearch's, those of attention heads.
 *
 * Weights of 2, 4 and 8 bytes become float32. What SAELens does beside its weights is folded into them,
 * so that the function stays the same: a selection by activation times decoder norm
 * (`rescale_acts_by_decoder_norm`) into the encoder, decoder rows getting norm 1; scaled activations
 * (`scaling_factor`) into the decoder, f staying what the encoder gives. A gated SAE becomes the equivalent jumprelu
 * SAE.
 *
 * Transcoders are refused, and so is a config that says ReLU where other signs indicate TopK. Files are not
 * trusted: a pickle is read as data and never run, lengths, offsets and types are checked before memory is
 * allocated, and memory is that of the result.
 *
 * @param pathOrHubId A folder, a file in it, or a hub id with a path in the repository:
 * `jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/blocks.8.hook_resid_pre_768`, or a release of
 * SAELens with the SAE's id: `gpt2-small-res-jb/blocks.8.hook_resid_pre`,
 * `gemma-scope-2b-pt-res-canonical/layer_12/width_16k/canonical`. An existing path on disk takes
 * precedence. Downloads go to the cache and are not repeated.
 * @returns The SAE in float32. `metadata` holds `model`, `hook`, `contextSize`, `prependBos` and `dataset`
 * where the files have them, and for SAEs of other libraries `source` (the argument), `format`, `folded` (what was
 * folded into the weights), `saeLens` (the other notes of a SAELens config, which `saveSae` writes back) and
 * `saeLensConfig` (keys beside them).
 * @throws {Error} A file is missing or malformed, a tensor has another shape than the config says,
 * a weight is not finite, or it is no SAE that can be read; the message says which and what to do.
 */
export async function loadSae(pathOrHubId: string, options: LoadSaeOptions = {}): Promise<Sae> {
  const { signal, config: overrides, inputTransform, inputScale, onNote, ...hubOptions } = options;
  checkInputTransform(inputTransform, "inputTransform");
  signal?.throwIfAborted();
  const onDisk = await isOnDisk(pathOrHubId);
  const release = onDisk ? undefined : parseRelease(pathOrHubId);
  const hub = onDisk ? undefined : release ?? parseHubId(pathOrHubId);
  const near = onDisk || release ? undefined : nearRelease(pathOrHubId);
  const hint = release?.hint ?? (near && `SAELens's release ${near} is understood here`);
  const files = await withHint(
    hub ? fetchSaeFiles(hub, { ...hubOptions, signal }) : findSaeFiles(pathOrHubId),
    hint,
    signal,
  );
  const { revision = "main" } = options;
  const source = hub && revision !== "main" ? `${pathOrHubId}@${revision}` : pathOrHubId;
  const place = hub ? `${hub.repository}/${hub.path}` : resolve(files.weights);
  const corrections = hub && correctionsOf(hub.repository);
  const given = { inputTransform, inputScale };
  const sae = await load(files, {
    ...{ source, place, overrides: { ...corrections, ...overrides }, signal },
    // What an option settles needs no note of a rule.
    onNote: (text, about) => given[about] === undefined && onNote?.(text),
  });
  if (inputScale !== undefined) {
    sae.inputScale = inputScale;
    checkInputScale(sae, `${source}: `);
  }
  if (inputTransform === "center") sae.inputTransform = inputTransform;
  if (inputTransform === "none") delete sae.inputTransform;
  return sae;
}

async function load(files: SaeFiles, request: LoadRequest): Promise<Sae> {
  switch (files.format) {
    case "saelens":
      return await loadSaeLens(files.config, files.weights, request);
    case "sparsify":
      return await loadSparsify(files.config, files.weights, request);
    case "gemma-scope":
      return await loadGemmaScope(files.weights, request);
    case "gemma-scope-2":
      return await loadGemmaScope2(files.config, files.weights, request);
    case "llama-scope":
      return await loadLlamaScope(files.config, files.weights, request);
    case "llama-scope-r1":
      return await loadLlamaScopeR1(files.config, files.weights, request);
    case "dictionary-learning":
      return await loadDictionaryLearning(files.config, files.weights, request);
    case "torch":
      return await loadTorchSae(files.config, files.weights, request);
  }
}

/** Adds a suggestion to the error for a name that is not found. */
async function withHint<T>(found: Promise<T>, hint?: string, signal?: AbortSignal): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (signal?.aborted || hint === undefined) throw error;
    throw new Error(`${(error as Error).message}. ${hint}`, { cause: error });
  }
}

/** Whether a path, or the folder that it begins in, is there: `runs/frist/sae` is no hub id. */
async function isOnDisk(path: string): Promise<boolean> {
  for (const place of [path, path.split("/")[0]]) {
    try {
      if (place !== "") await Deno.lstat(place);
      return true;
    } catch (error) {
      // If it exists but cannot be opened, the loader reports it.
      if (!(error instanceof Deno.errors.NotFound)) return true;
    }
  }
  return false;
}
