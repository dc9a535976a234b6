/** A family of SAEs on the hub that differ in size. */
export interface SaeCollection {
  /** What `saewing stitch` and {@linkcode collectionIds} call it. */
  name: string;
  /** One line on what they are. */
  summary: string;
  /** Hub id of the model whose activations they read, as an ONNX export; absent where none is known. */
  model?: string;
  /** Where in the model they read. */
  hook: string;
  /** Dictionary sizes, in order. */
  sizes: readonly number[];
  /** Cosine θ of Eq. 6 below which the paper calls a latent of theirs novel. */
  threshold: number;
  /** Hub id of the SAE of each size, as `loadSae` takes it. */
  ids: readonly string[];
}

const featureSplitting = "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8";
const gpt2Sizes = [768, 1536, 3072, 6144, 12288, 24576, 49152, 98304];
const gemmaScope = "google/gemma-scope-2b-pt-res";

const collections: readonly SaeCollection[] = [
  {
    name: "gpt2-feature-splitting",
    summary: "the paper's ReLU SAEs of GPT-2 small, 768 to 98304 latents (section 4)",
    model: "Xenova/gpt2",
    hook: "blocks.8.hook_resid_pre",
    sizes: gpt2Sizes,
    threshold: 0.7,
    ids: gpt2Sizes.map((size) => `${featureSplitting}/blocks.8.hook_resid_pre_${size}`),
  },
  {
    name: "gemma-scope-2b-layer-12",
    summary: "Gemma Scope's JumpReLU SAEs of Gemma 2 2B, 16k and 32k latents (A.7)",
    hook: "blocks.12.hook_resid_post",
    sizes: [16384, 32768],
    threshold: 0.4,
    // Those of Table 2, by their L0 there: 43.4 and 41.5.
    ids: ["width_16k/average_l0_41", "width_32k/average_l0_40"]
      .map((folder) => `${gemmaScope}/layer_12/${folder}`),
  },
];

/** The named collections. */
export function listCollections(): readonly SaeCollection[] {
  return collections;
}

/**
 * Hub ids of the SAEs of a collection, in the order of `sizes`.
 *
 * @param name The collection's name.
 * @param sizes Dictionary sizes; all of them if not given.
 * @throws {RangeError} There is no such collection, or it has none of a size.
 *
 * @example
 * ```ts ignore
 * const [small, large] = collectionIds("gpt2-feature-splitting", { sizes: [768, 1536] });
 * const saes = [await loadSae(small), await loadSae(large)];
 * ```
 */
export function collectionIds(
  name: string,
  { sizes }: { sizes?: readonly number[] } = {},
): string[] {
  const found = collections.find((collection) => collection.name === name);
  if (!found) {
    const names = collections.map(({ name }) => name).join(", ");
    throw new RangeError(
      `there is no collection ${JSON.stringify(name)}, expected one of ${names}`,
    );
  }
  return (sizes ?? found.sizes).map((size) => {
    const at = found.sizes.indexOf(size);
    if (at >= 0) return found.ids[at];
    throw new RangeError(`${name} has no SAE of ${size} latents, only ${found.sizes.join(", ")}`);
  });
}
