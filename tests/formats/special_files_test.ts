import { assert, assertRejects } from "@std/assert";
import { dirname, join } from "@std/path";
import { parseArguments } from "../../cli/options.ts";
import { readRunOptions } from "../../lib/formats/run_folder.ts";
import { readGrid } from "../../cli/training_options.ts";
import { openActivationStore } from "../../lib/activations/activation_store.ts";
import { readTexts } from "../../lib/activations/read_texts.ts";
import { loadCheckpoint } from "../../lib/formats/checkpoint_folder.ts";
import { loadSae } from "../../lib/formats/load_sae.ts";
import { loadStitchedSae } from "../../lib/formats/stitched_sae_folder.ts";
import { readCell } from "../../lib/formats/sweep_folder.ts";
import { inspectModel } from "../../lib/language_model/inspect_model.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { loadFixture, tinyGpt2 } from "../language_model/fixtures.ts";

// Opening a pipe that no one writes to never returns, and reading /dev/zero never ends: where one of
// these tests hangs, a file is opened before it is looked at.
const kinds: [string, (path: string) => Promise<unknown>, RegExp][] = [
  [
    "a named pipe",
    async (path) => {
      const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
      assert(success);
    },
    /is a named pipe, expected a file/,
  ],
  [
    "an endless device",
    (path) => Deno.symlink("/dev/zero", path),
    /is a device, expected a file|a link to \/dev\/zero, which is not in its folder/,
  ],
  // Where a missing file is a case of its own, the link reads as one.
  [
    "a link to itself",
    (path) => Deno.symlink(path, path),
    /symbolic links|not exist|has no|but no|is missing/,
  ],
];

const hook = "blocks.1.hook_resid_pre";
const places: [string, string, (folder: string) => Promise<unknown>, string?][] = [
  ["SAE's config", "cfg.json", loadSae],
  ["SAE's weights", "sae_weights.safetensors", loadSae],
  [
    "SAE given as a file",
    "sae_weights.safetensors",
    (folder) => loadSae(join(folder, "sae_weights.safetensors")),
  ],
  ["Gemma Scope's archive", "params.npz", loadSae],
  ["stitched SAE", "stitched.json", loadStitchedSae],
  ["checkpoint", "checkpoint.safetensors", loadCheckpoint],
  ["store's header", "store.json", openActivationStore],
  ["texts", "a.jsonl", (folder) => Array.fromAsync(readTexts(join(folder, "a.jsonl")))],
  [
    "sweep's grid",
    "grid.json",
    (folder) =>
      Promise.try(() =>
        readGrid(
          parseArguments(["--grid", join(folder, "grid.json")], { values: ["grid"], flags: [] }),
        )
      ),
  ],
  ["sweep's note", "cell.json", (folder) => Promise.try(() => readCell(folder, {}))],
  [
    "run's options",
    "config.json",
    (folder) => Promise.try(() => readRunOptions(folder)),
  ],
  ["model's config", "config.json", (folder) => openLanguageModel(folder, { hook }), tinyGpt2],
  ["tokenizer", "tokenizer.json", (folder) => openLanguageModel(folder, { hook }), tinyGpt2],
  [
    "tokenizer's config",
    "tokenizer_config.json",
    (folder) => openLanguageModel(folder, { hook }),
    tinyGpt2,
  ],
  ["model", "onnx/model.onnx", inspectModel, tinyGpt2],
  ["model's data", "dy.onnx.data", (folder) => inspectModel(join(folder, "model.onnx"))],
];

for (const [kind, make, error] of kinds) {
  Deno.test({
    name: `${kind} in place of a file is refused, by name`,
    ignore: Deno.build.os === "windows",
    async fn(test) {
      for (const [what, name, load, from] of places) {
        // A model without a tokenizer is a model.
        if (kind === "a link to itself" && what === "tokenizer") continue;
        await test.step(what, () =>
          withFolder(async (folder) => {
            if (from) await copyFolder(from, folder);
            if (name === "sae_weights.safetensors") {
              await Deno.writeTextFile(join(folder, "cfg.json"), config);
            }
            if (name === "cfg.json") {
              await Deno.writeFile(join(folder, "sae_weights.safetensors"), new Uint8Array(9));
            }
            if (name === "dy.onnx.data") {
              const llama = loadFixture("llama").folder;
              await Deno.copyFile(join(llama, "config.json"), join(folder, "config.json"));
              await Deno.copyFile(join(llama, "onnx/model.onnx"), join(folder, "model.onnx"));
            }
            await Deno.remove(join(folder, name)).catch(() => {});
            await make(join(folder, name));
            const { message } = await assertRejects(() => load(folder), Error);
            assert(error.test(message), message);
            assert(message.includes(folder), message);
          }));
      }
    },
  });
}

const config = JSON.stringify({ d_in: 2, d_sae: 3, hook_point: "blocks.8.hook_resid_pre" });

async function copyFolder(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    await Deno.mkdir(dirname(join(to, name)), { recursive: true });
    if (isDirectory) {
      await Deno.mkdir(join(to, name));
      await copyFolder(join(from, name), join(to, name));
    } else await Deno.copyFile(join(from, name), join(to, name));
  }
}
