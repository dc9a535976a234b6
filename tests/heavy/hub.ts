import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { createRandom, initializeSae, saveSae } from "../../mod.ts";
import { gitHash, serveBytes, startFakeHub } from "../language_model/fake_hub.ts";
import { HOOK, MODEL, saewingProcess, withFolder, writeCorpus } from "../cli/cli_helper.ts";

const repository = "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8";

/** SAEs of the collection's names and sizes, of the embedded model's width. */
async function collectionFiles(folder: string): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const dictSize of [768, 1536]) {
    const random = createRandom(dictSize);
    const sae = initializeSae({ architecture: "relu", dModel: 128, dictSize, k: 1, random });
    delete sae.k;
    sae.metadata = { model: "gpt2-small", hook: "blocks.8.hook_resid_pre", contextSize: 16 };
    const path = join(folder, `${dictSize}`);
    await saveSae(sae, path);
    for (const name of ["cfg.json", "sae_weights.safetensors"]) {
      files[`/${repository}/resolve/main/blocks.8.hook_resid_pre_${dictSize}/${name}`] = await Deno
        .readFile(join(path, name));
    }
  }
  return files;
}

async function modelFiles(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const names = ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"];
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await Deno.readFile(join(MODEL, name))])),
  );
}

Deno.test("stitch fetches a collection and its model by name, and shows how far it is", async () => {
  await withFolder(async (folder) => {
    const saes = await collectionFiles(folder);
    await using hub = startFakeHub({
      files: await modelFiles(),
      answer: (asked) =>
        saes[asked.path]
          ? serveBytes(saes[asked.path], asked, `"${gitHash(saes[asked.path])}"`)
          : undefined,
    });
    const cache = join(folder, "cache");
    const env = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: "", HF_HUB_OFFLINE: "" };
    const { code, stdout, stderr } = await saewingProcess(
      [
        ...["stitch", "gpt2-feature-splitting", "--sizes", "768,1536", "--cache-dir", cache],
        ...["--model", "someone/thing", "--hook", HOOK, "--text", await writeCorpus(folder)],
        ...["--samples", "64", "--examples", "0", "--out", join(folder, "out"), "--json"],
      ],
      folder,
      env,
    );
    assertEquals(code, 0, stderr);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    const { saes: rows } = lines.at(-1);
    assertEquals(rows.map(({ dictSize }: { dictSize: number }) => dictSize), [768, 1536]);
    for (const name of ["sae_weights.safetensors", "model.onnx"]) {
      const told = lines.filter((line) => line.type === "progress" && line.file?.endsWith(name));
      assert(told.length > 0, `${name} came without a word`);
      assertEquals(told.at(-1).loaded, told.at(-1).total);
    }
    const asked = hub.asked.length;
    const [small] = Object.keys(saes).map((path) => path.replace("/resolve/main/", "/").slice(1));
    const again = await saewingProcess(
      [
        ...[
          "eval",
          small.replace("/cfg.json", ""),
          "--cache-dir",
          cache,
          "--model",
          "someone/thing",
        ],
        ...["--hook", HOOK, "--text", join(folder, "corpus.jsonl"), "--rows", "2"],
      ],
      folder,
      env,
    );
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stdout, "768");
    const later = hub.asked.slice(asked).map(({ method }) => method);
    assert(later.every((method) => method === "HEAD"), "the cache has all that is downloaded");

    // Nobody listens on port 9: the cache has to do, and that is said once.
    const alone = await saewingProcess(
      ["inspect", "someone/thing", "--cache-dir", cache],
      folder,
      { ...env, HF_ENDPOINT: "http://127.0.0.1:9" },
    );
    assertEquals(alone.code, 0, alone.stderr);
    const notices = alone.stderr.split("\n").filter((line) => line.includes("warning: "));
    assertEquals(notices.length, 1, alone.stderr);
    assertStringIncludes(notices[0], "warning: someone/thing is read from the cache");
  });
});
