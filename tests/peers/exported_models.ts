// The exported models of the checks, created on first use and kept, and their texts.
import { existsSync } from "node:fs";
import { join } from "@std/path";
import { type LanguageModel, openLanguageModel, readTexts } from "../../mod.ts";
import { type LanguageModelOptions, packTokenRows } from "../../lib/language_model/mod.ts";
import { HERE, type Peers } from "./peer.ts";

/** Ways to export a model; export_model.py has the same names. */
export type Exporter = "optimum" | "builder" | "dynamo" | "torchscript";

/** Models whose weights come in packages. */
export const REAL_MODELS = ["SmolLM2-135M", "gemma-3-270m"];

/** Reasons why an export may differ from PyTorch by more than rounding. */
export function exportersReason(name: string, exporter: string): string | undefined {
  if (exporter !== "builder") return undefined;
  if (name === "phi") {
    return "the model builder writes 1e-6 into Phi's norms for the 1e-5 of its config; with 1e-5 in the " +
      "file its logits are within 4e-7";
  }
  if (name === "gemma-3-270m") {
    return "the model builder rounds √d, which Gemma's embeddings are multiplied with, to two " +
      "decimals: 25.30 for 25.2982";
  }
  if (name === "gemma2") {
    return "the model builder gives the window to odd layers, Gemma 2 has it in even ones: right as " +
      "far as the window goes, here 16 positions of 24 (Gemma 2: 4096)";
  }
}

/** The folder of the PyTorch model. */
export async function plainModel({ models, python }: Peers, name: string): Promise<string> {
  const folder = join(models, name);
  if (!existsSync(join(folder, "model.safetensors"))) {
    await python("plain_models.py", [models], "export");
  }
  return folder;
}

/** The folder of an export in float32. */
export async function exportedModel(
  peers: Peers,
  name: string,
  exporter: Exporter,
): Promise<string> {
  const folder = join(peers.models, `${name}-${exporter}`);
  // Copied last, after the export has succeeded.
  if (!existsSync(join(folder, "tokenizer.json")) || !existsSync(join(folder, "model.onnx"))) {
    const plain = await plainModel(peers, name);
    await peers.python("export_model.py", [exporter, plain, folder], "export");
  }
  return folder;
}

/** Opens an export at all points of the residual stream, one in the middle first, on all cores. */
export function openAt(
  folder: string,
  hooks: readonly { hook: string }[],
  options: Partial<LanguageModelOptions> = {},
): Promise<LanguageModel> {
  const names = hooks.map(({ hook }) => hook).filter((hook) => streamPoint(hook) !== undefined);
  const [hook] = names.splice(Math.floor(names.length / 2), 1);
  const threads = navigator.hardwareConcurrency;
  return openLanguageModel(folder, { hook, moreHooks: names, threads, ...options });
}

/** `pre3` for `blocks.3.hook_resid_pre`, `post3` for `…_post`; undefined for other hooks. */
export function streamPoint(hook: string): string | undefined {
  const [, layer, point] = /^blocks\.(\d+)\.hook_resid_(pre|post)$/.exec(hook) ?? [];
  return layer === undefined ? undefined : `${point}${layer}`;
}

/** Rows of English text. */
export async function textRows(
  model: LanguageModel,
  rows: number,
  contextLength: number,
): Promise<Int32Array> {
  const texts = readTexts(join(HERE, "..", "fixtures", "corpus.jsonl"));
  const packed = packTokenRows(model, texts, { contextLength, maxRows: rows });
  return Int32Array.from((await Array.fromAsync(packed)).flatMap((row) => [...row]));
}

/** Numbers that a Python script has left in a file. */
export async function readFloats(path: string): Promise<Float32Array> {
  return new Float32Array((await Deno.readFile(path)).buffer);
}
