// Exports that checks run on, made the first time and kept; the texts they are run on.
import { existsSync } from "node:fs";
import { join } from "@std/path";
import { type LanguageModel, openLanguageModel, readTexts } from "../../mod.ts";
import { packTokenRows } from "../../lib/language_model/mod.ts";
import { HERE, type Peers } from "./peer.ts";

/** Ways to export a model; export_model.py has the same names. */
export type Exporter = "optimum" | "builder" | "dynamo" | "torchscript";

/** Models whose weights come in packages, and how many layers they have. */
export const REAL_MODELS: Record<string, number> = { "SmolLM2-135M": 30 };

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
  // Copied last, when the export has ended well.
  if (!existsSync(join(folder, "tokenizer.json")) || !existsSync(join(folder, "model.onnx"))) {
    const plain = await plainModel(peers, name);
    await peers.python("export_model.py", [exporter, plain, folder], "export");
  }
  return folder;
}

/** Opens an export at a hook, on all cores, as PyTorch runs. */
export function openAt(folder: string, hook: string): Promise<LanguageModel> {
  return openLanguageModel(folder, { hook, threads: navigator.hardwareConcurrency });
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

/** The largest ‖found − wanted‖ / ‖wanted‖ of a row. */
export function rowError(found: Float32Array, wanted: Float32Array, width: number): number {
  if (found.length !== wanted.length || found.length % width !== 0) return Infinity;
  let most = 0;
  for (let at = 0; at < found.length; at += width) {
    let [apart, size] = [0, 0];
    for (let i = at; i < at + width; i++) {
      apart += (found[i] - wanted[i]) ** 2;
      size += wanted[i] ** 2;
    }
    const error = Math.sqrt(apart / size);
    // Written so that a NaN counts.
    if (!(error <= most)) most = error;
  }
  return most;
}
