/** A model with several names and a known ONNX export on the hub. */
interface KnownModel {
  /** Hub id of the ONNX export. */
  onnx: string;
  /** Its name in TransformerLens and in SAELens's configs, as `from_pretrained` takes it. */
  transformerLens: string;
  /** Other names. */
  also?: readonly string[];
}

const PYTHIA = ["14m", "31m", "70m", "70m-deduped", "160m", "410m", "1.4b-deduped"];

const MODELS: readonly KnownModel[] = [
  {
    onnx: "Xenova/gpt2",
    transformerLens: "gpt2",
    also: ["gpt2-small", "openai-community/gpt2"],
  },
  { onnx: "Xenova/distilgpt2", transformerLens: "distilgpt2", also: ["distilbert/distilgpt2"] },
  ...PYTHIA.map((size) => ({
    onnx: `Xenova/pythia-${size}`,
    transformerLens: `EleutherAI/pythia-${size}`,
    also: [`pythia-${size}`],
  })),
  {
    onnx: "Xenova/gpt-neo-125M",
    transformerLens: "EleutherAI/gpt-neo-125M",
    also: ["gpt-neo-125M", "gpt-neo-small"],
  },
  { onnx: "Xenova/opt-125m", transformerLens: "facebook/opt-125m", also: ["opt-125m"] },
  { onnx: "Xenova/bloom-560m", transformerLens: "bigscience/bloom-560m", also: ["bloom-560m"] },
  {
    onnx: "onnx-community/gemma-3-270m-ONNX",
    transformerLens: "google/gemma-3-270m",
    also: ["gemma-3-270m"],
  },
  {
    onnx: "onnx-community/gemma-3-270m-it-ONNX",
    transformerLens: "google/gemma-3-270m-it",
    also: ["gemma-3-270m-it"],
  },
  {
    onnx: "onnx-community/gemma-3-1b-it-ONNX",
    transformerLens: "google/gemma-3-1b-it",
    also: ["gemma-3-1b-it"],
  },
  {
    onnx: "onnx-community/Qwen3-0.6B-ONNX",
    transformerLens: "Qwen/Qwen3-0.6B",
    also: ["qwen3-0.6b"],
  },
  {
    onnx: "onnx-community/Llama-3.2-1B-Instruct",
    transformerLens: "meta-llama/Llama-3.2-1B-Instruct",
    also: ["Llama-3.2-1B-Instruct"],
  },
];

/** TransformerLens's names of other models, and their owners or prefixes on the hub. */
const ON_HUB: readonly (readonly [RegExp, string])[] = [
  [/^gpt2-(medium|large|xl)$/, "openai-community/"],
  [/^pythia-[\w.-]+$/, "EleutherAI/"],
  [/^gemma-[\w.-]+$/, "google/"],
  [/^tiny-stories-(?=\d+M$)/, "roneneldan/TinyStories-"],
];

const EXPORT = "an ONNX export of it (config.json, tokenizer.json, onnx/model.onnx)";

/** Hub id of the ONNX export of a model; unknown names are returned unchanged. */
export function exportOf(name: string): string {
  const known = MODELS.find(({ transformerLens, also = [] }) =>
    name === transformerLens || also.includes(name)
  );
  return known?.onnx ?? name;
}

/**
 * TransformerLens's name of a model, for `model_name` in SAELens's configs: "gpt2" for "Xenova/gpt2".
 * Unknown names are returned unchanged.
 */
export function transformerLensName(name: string): string {
  return MODELS.find(({ onnx }) => name === onnx)?.transformerLens ?? name;
}

/** A hint for a name that is not a model on the hub; undefined where nothing is known about it. */
export function explainModelName(name: string): string | undefined {
  const known = MODELS.flatMap(({ onnx, transformerLens, also = [] }) =>
    [...also, transformerLens].map((each) => ({ each, onnx }))
  );
  if (known.some(({ each }) => each === name)) return undefined;
  const near = known.find(({ each }) => letters(each) === letters(name));
  if (near) {
    return `Did you mean ${near.each} (TransformerLens's name of ${near.onnx})?`;
  }
  const found = ON_HUB.find(([pattern]) => pattern.test(name));
  if (!found) return undefined;
  const [pattern, owner] = found;
  const id = owner.endsWith("/") ? owner + name : name.replace(pattern, owner);
  return `${name} is TransformerLens's name of ${id}: give a folder with ${EXPORT}, or the id of a ` +
    `hub repository with one`;
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
