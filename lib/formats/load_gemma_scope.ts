import { checkSae } from "../sae/check.ts";
import type { Sae } from "../sae/sae.ts";
import type { LoadRequest } from "./load_request.ts";
import { openNpz } from "./npz.ts";
import { refuseForeignTensors } from "./refuse_config.ts";
import { checkShape, readMatrix, readTensor, type TensorFile } from "./tensor_file.ts";

/**
 * Loads a Gemma Scope SAE, a JumpReLU: an npz archive of `W_enc` [d, m], `W_dec` [m, d], `b_enc` [m],
 * `b_dec` [d] and `threshold` [m]. There is no config: sizes come from the arrays, and model and hook
 * from the repository's and the folder's names where the source has them.
 *
 * @throws {Error} The archive is malformed, or its arrays do not fit each other.
 */
export async function loadGemmaScope(
  path: string,
  { source, signal }: LoadRequest,
): Promise<Sae> {
  await using file = await openNpz(path);
  if (/transcoder/i.test(source)) {
    throw new Error(
      `${source} is a transcoder, which is not supported (it reads one point of the model and ` +
        `writes another, an SAE reconstructs what it reads)`,
    );
  }
  refuseForeignTensors(path, file.tensors.keys());
  // Some of the archives say w_enc.
  const name = (upper: string) => {
    const lower = upper.toLowerCase();
    return file.tensors.has(lower) ? lower : upper;
  };
  const wEnc = file.tensors.get(name("W_enc"));
  if (!wEnc) {
    const found = [...file.tensors.keys()].slice(0, 12).join(", ") || "no array";
    throw new Error(`W_enc is missing, found ${found} in ${path}`);
  }
  const [d, m] = wEnc.shape;
  if (wEnc.shape.length !== 2 || d === 0 || m === 0) {
    throw new Error(
      `W_enc is [${wEnc.shape.join(", ")}], expected [dModel, dictSize] in ${path}`,
    );
  }
  checkArrays(file, name("W_dec"), d, m);
  const embedding = isEmbedding(source) || isEmbedding(path);
  const sae: Sae = {
    architecture: "jumprelu",
    dModel: d,
    dictSize: m,
    wEnc: await readMatrix(file, name("W_enc"), true, signal),
    wDec: await readMatrix(file, name("W_dec"), false, signal),
    bEnc: await readTensor(file, "b_enc", signal),
    bDec: await readTensor(file, "b_dec", signal),
    threshold: await readTensor(file, "threshold", signal),
    subtractDecoderBias: false,
    inputNormalization: "none",
    metadata: { ...namesOf(source, embedding), source, format: "gemma-scope" },
  };
  if (embedding) {
    foldEmbeddingScale(sae);
    sae.metadata.folded = ["√d of embeddings into encoder and decoder"];
  }
  try {
    checkSae(sae);
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${path}`);
  }
  return sae;
}

function checkArrays(file: TensorFile, wDec: string, d: number, m: number): void {
  checkShape(file, wDec, [m, d], "[dictSize, dModel]");
  checkShape(file, "b_enc", [m], "[dictSize]");
  checkShape(file, "b_dec", [d], "[dModel]");
  checkShape(file, "threshold", [m], "[dictSize]");
}

/** SAEs of the embedding lie in a folder of that name, others in those of layers. */
function isEmbedding(path: string): boolean {
  return /(^|[\\/])embedding([\\/]|$)/.test(path) && !/(^|[\\/])layer_\d+/.test(path);
}

/**
 * SAEs of the embedding were trained on rows of the embedding matrix, of which the model makes activations by
 * multiplying them by √d: encoder rows divided by it, and decoder rows times it, read those.
 */
function foldEmbeddingScale({ dModel, wEnc, wDec }: Sae): void {
  const scale = Math.sqrt(dModel);
  for (let at = 0; at < wEnc.length; at++) {
    wEnc[at] /= scale;
    wDec[at] *= scale;
  }
}

/** Model and hook as repositories `google/gemma-scope-2b-pt-res` and folders `layer_12/…` name them. */
function namesOf(source: string, embedding: boolean): Record<string, unknown> {
  const repository = /gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att)\b/.exec(source);
  if (!repository) return {};
  const [, size, tuning, kind] = repository;
  const layer = /\blayer_(\d+)\b/.exec(source)?.[1];
  const point = { res: "hook_resid_post", mlp: "hook_mlp_out", att: "attn.hook_z" }[kind];
  return {
    model: `google/gemma-2-${size}${tuning === "it" ? "-it" : ""}`,
    ...(embedding ? { hook: "hook_embed" } : {}),
    ...(layer === undefined ? {} : { hook: `blocks.${layer}.${point}` }),
    contextSize: 1024,
    prependBos: true,
  };
}
