import type { TrainOptions } from "./options.ts";

/** Settings of a training run that go together. */
export interface Preset {
  /** What it is, in a line. */
  summary: string;
  /** The language model, where an ONNX export of it is known. */
  model?: string;
  /** Where in the model. */
  hook?: string;
  /** Tokens of a row of text. */
  contextLength?: number;
  /** Rows of a batch. */
  batchSize: number;
  /** Activations that the shuffle holds back. */
  bufferRows?: number;
  /** How often all samples are read, where `steps` does not say when to stop. */
  epochs?: number;
  /** Options of `trainSae`. */
  options: TrainOptions;
  /**
   * What JumpReLU SAEs have in place of a k. This λ belongs to the other options: it weighs the mean L0
   * against the mean over samples and d of squared errors, of samples normalised as they say.
   */
  jumpRelu?: { sparsityCoefficient: number; bandwidth: number };
  /** Values that the paper sweeps, where `options` and `jumpRelu` have one; every combination is an SAE. */
  grid?: {
    /** Dictionary sizes m. */
    dictSize: number[];
    /** topk, batchtopk: active latents per sample. */
    k?: number[];
    /** jumprelu: λ. */
    sparsityCoefficient?: number[];
  };
}

/**
 * A.3: the recipe of the paper's BatchTopK experiments; 10⁹ tokens are 244,141 batches. The published code
 * takes each sample's mean away and divides by its standard deviation.
 */
const RECIPE = {
  architecture: "batchtopk",
  k: 32,
  inputNormalization: "layer_norm",
  bDec: "zero",
  decaySteps: 0,
  learningRate: 3e-4,
  beta1: 0.9,
  beta2: 0.99,
  auxCoefficient: 1 / 32,
  auxK: 512,
  deadAfter: 5,
  steps: 244_141,
} as const;

/** Text as the paper's authors read it. */
const READING = { contextLength: 128, batchSize: 4096, bufferRows: 655_360 };

const PRESETS: Record<string, Preset> = {
  "paper/gpt2-small": {
    summary: "BatchTopK on GPT-2 small, layer 8 (A.3, Fig. 7)",
    model: "Xenova/gpt2",
    hook: "blocks.8.hook_resid_pre",
    ...READING,
    options: { ...RECIPE, dictSize: 12_288 },
    jumpRelu: { sparsityCoefficient: 0.0018, bandwidth: 0.001 },
    grid: {
      dictSize: [3072, 6144, 12_288, 24_576],
      k: [16, 32, 64],
      sparsityCoefficient: [0.004, 0.0018, 0.0008],
    },
  },
  "paper/gemma-2-2b": {
    summary: "BatchTopK on Gemma 2 2B, layer 12 (A.3, Fig. 8); give --model",
    hook: "blocks.12.hook_resid_post",
    ...READING,
    options: { ...RECIPE, dictSize: 16_384 },
    jumpRelu: { sparsityCoefficient: 0.005, bandwidth: 0.001 },
    grid: { dictSize: [16_384], k: [16, 32, 64], sparsityCoefficient: [0.02, 0.005, 0.001] },
  },
  // A.6; λ belongs to the normalised loss. 300 M tokens are 73,243 batches; warm-up and centring are
  // those of the published configuration.
  "paper/relu-feature-splitting": {
    summary: "the ReLU SAEs of sections 4 and 5 on GPT-2 small (A.6, Table 2)",
    model: "Xenova/gpt2",
    hook: "blocks.8.hook_resid_pre",
    ...READING,
    options: {
      ...{ architecture: "relu", dictSize: 24_576, learningRate: 4e-4, beta1: 0.9, beta2: 0.99 },
      ...{ sparsityCoefficient: 8e-5, lossNormalization: "input_deviation" },
      ...{ inputTransform: "center", inputNormalization: "none", bDec: "zero" },
      ...{ warmupSteps: 5000, decaySteps: 0, steps: 73_243 },
    },
    grid: { dictSize: [768, 1536, 3072, 6144, 12_288, 24_576, 49_152, 98_304] },
  },
  "paper/meta-sae": {
    summary: "meta-SAE on the decoder rows of an SAE (section 5)",
    batchSize: 4096,
    epochs: 2000,
    options: {
      ...{ architecture: "batchtopk", dictSize: 2304, k: 4, learningRate: 1e-4 },
      ...{ beta1: 0.9, beta2: 0.99, auxCoefficient: 1 / 16, auxK: 512, deadAfter: 100 },
      ...{ inputNormalization: "none", bDec: "zero", decaySteps: 0 },
    },
  },
  "demo": {
    summary: "a first SAE on the model that comes with the repository, in minutes",
    model: "examples/tiny-gpt2",
    hook: "blocks.2.hook_resid_pre",
    batchSize: 2048,
    options: { architecture: "batchtopk", dictSize: 1024, k: 16, steps: 400 },
  },
};

/** Names of the presets. */
export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/**
 * A preset by its name: `paper/gpt2-small`, `paper/gemma-2-2b`,
 * `paper/relu-feature-splitting`, `paper/meta-sae` or `demo`. The
 * paper's figures, and the published code's where the paper names none. `options` have one of its sizes
 * and one of its k, `grid` has all. It is the caller's own, to be changed at will.
 *
 * @throws {RangeError} There is no such preset.
 *
 * @example
 * ```ts ignore
 * const { batchSize, options } = preset("paper/gpt2-small");
 * const { sae } = await trainSae(device, batches, { ...options, k: 64 });
 * ```
 */
export function preset(name: string): Preset {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new RangeError(`there is no preset ${name}, expected ${PRESET_NAMES.join(", ")}`);
  }
  return structuredClone(PRESETS[name]);
}
