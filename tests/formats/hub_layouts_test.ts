import { assertEquals } from "@std/assert";
import { findInOrder } from "../../lib/formats/hub_layouts.ts";
import { parseHubId } from "../../lib/formats/hub_sae.ts";
import { parseRelease } from "../../lib/formats/sae_releases.ts";

/** What is asked for, in order, of a repository that has some files; and what is found. */
async function ask(id: string, files: string[]) {
  const asked: string[] = [];
  const found = await findInOrder(parseRelease(id) ?? parseHubId(id)!, (file) => {
    asked.push(file);
    return Promise.resolve(files.includes(file) ? file : undefined);
  });
  return { asked, format: found?.format };
}

/** Name, files of the repository, the format, and files that are asked for in vain. */
const cases: [id: string, files: string[], format: string, missed: string[]][] = [
  ["a/b/x", ["x/cfg.json", "x/sae_weights.safetensors"], "saelens", []],
  ["a/b/x", ["x/cfg.json", "x/sae.safetensors"], "sparsify", ["x/sae_weights.safetensors"]],
  ["a/b/x/average_l0_9", ["x/average_l0_9/params.npz"], "gemma-scope", []],
  ["a/b/x/params.npz", ["x/params.npz"], "gemma-scope", []],
  [
    "a/b/layer_1_width_16k_l0_small",
    ["layer_1_width_16k_l0_small/params.safetensors"],
    "gemma-scope-2",
    ["layer_1_width_16k_l0_small/config.json"],
  ],
  ["a/b/x/params.safetensors", ["x/params.safetensors", "x/config.json"], "gemma-scope-2", []],
  [
    "llama_scope_lxr_8x/l3r_8x",
    ["hyperparams.json", "checkpoints/final.safetensors"].map((name) =>
      `Llama3_1-8B-Base-L3R-8x/${name}`
    ),
    "llama-scope",
    [],
  ],
  [
    "a/b/x/checkpoints/final.safetensors",
    ["x/hyperparams.json", "x/checkpoints/final.safetensors"],
    "llama-scope",
    [],
  ],
  ["a/b/mix/L3R", ["mix/L3R/config.json", "mix/L3R/sae_weights.safetensors"], "llama-scope-r1", []],
  ["a/b/x/trainer_1", ["x/trainer_1/config.json", "x/trainer_1/ae.pt"], "dictionary-learning", []],
  ["a/b/x/ae.pt", ["x/config.json", "x/ae.pt"], "dictionary-learning", []],
  ["a/b/ae.pt", ["config.json", "ae.pt"], "dictionary-learning", []],
  ["a/b/layer3.sae.pt", ["layer3.sae.pt"], "torch", []],
  ["a/b/x_z_y.pt", ["x_z_y.pt", "x_z_y_cfg.json"], "torch", []],
  // A folder that is named like a file: known of the release, found out by its path.
  [
    "gpt2-small-resid-post-v5-32k/blocks.3.hook_resid_post",
    ["v5_32k_layer_3.pt/cfg.json", "v5_32k_layer_3.pt/sae_weights.safetensors"],
    "saelens",
    [],
  ],
  [
    "a/b/v5_32k_layer_3.pt",
    ["v5_32k_layer_3.pt/cfg.json", "v5_32k_layer_3.pt/sae_weights.safetensors"],
    "saelens",
    ["v5_32k_layer_3.pt"],
  ],
  ["a/b/x/other.safetensors", ["x/cfg.json", "x/other.safetensors"], "saelens", []],
];

Deno.test("hub: what the path tells is asked for first", async () => {
  for (const [id, files, format, missed] of cases) {
    const { asked, format: found } = await ask(id, files);
    assertEquals(found as string, format, id);
    assertEquals(asked.filter((file) => !files.includes(file)), missed, id);
    assertEquals(new Set(asked).size, asked.length, `${id}: ${asked}`);
  }
});

Deno.test("hub: nothing is found where nothing is, each file asked for once", async () => {
  const { asked, format } = await ask("a/b/x", ["x/other.txt"]);
  assertEquals(format, undefined);
  assertEquals(asked, [
    ...[
      "x/cfg.json",
      "x/params.npz",
      "x/params.safetensors",
      "x/hyperparams.json",
      "x/config.json",
    ],
  ]);
  const released = await ask("qwen-scope-3-8b-base-w64k-l50/layer3", []);
  assertEquals(released.asked, ["layer3.sae.pt"]);
});
