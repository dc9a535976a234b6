import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseHubId } from "../../lib/formats/hub_sae.ts";
import { collectionIds, listCollections } from "../../lib/formats/sae_collections.ts";

Deno.test("collections: sizes ascend, and each has an id of the hub", () => {
  const collections = listCollections();
  assert(collections.length >= 2);
  assertEquals(new Set(collections.map(({ name }) => name)).size, collections.length);
  for (const { name, sizes, ids } of collections) {
    assertEquals([...sizes].sort((a, b) => a - b), sizes);
    assertEquals(new Set(ids).size, sizes.length);
    for (const id of ids) assert(parseHubId(id)?.path, id);
    assertEquals(parseHubId(name), undefined, "a name is no id");
  }
});

Deno.test("collections: a latent is novel below the paper's cosine", () => {
  const thresholds = listCollections().map(({ name, threshold }) => [name, threshold]);
  assertEquals(thresholds, [["gpt2-feature-splitting", 0.7], ["gemma-scope-2b-layer-12", 0.4]]);
});

Deno.test("collections: the SAEs that were asked for, in that order", () => {
  assertEquals(collectionIds("gpt2-feature-splitting", { sizes: [98304, 768] }), [
    "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/blocks.8.hook_resid_pre_98304",
    "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/blocks.8.hook_resid_pre_768",
  ]);
  assertEquals(collectionIds("gemma-scope-2b-layer-12"), [
    "google/gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_41",
    "google/gemma-scope-2b-pt-res/layer_12/width_32k/average_l0_40",
  ]);
  assertThrows(
    () => collectionIds("gpt3"),
    RangeError,
    "expected one of gpt2-feature-splitting, g",
  );
  assertThrows(
    () => collectionIds("gpt2-feature-splitting", { sizes: [768, 769] }),
    RangeError,
    "gpt2-feature-splitting has no SAE of 769 latents, only 768, 1536",
  );
});
