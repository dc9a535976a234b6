import { assert, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { loadFixture, maxDifference } from "./fixtures.ts";

const hook = "blocks.1.hook_resid_pre";

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// The layout of Hugging Face's own cache: names are links to files that are named by their hashes.
async function writeCache(root: string, source: string, names: string[]): Promise<string> {
  const repo = join(root, "models--someone--thing");
  const snapshot = join(repo, "snapshots/0123abcd");
  await Deno.mkdir(join(snapshot, "onnx"), { recursive: true });
  await Deno.mkdir(join(repo, "blobs"));
  for (const [i, name] of names.entries()) {
    await Deno.copyFile(join(source, name), join(repo, `blobs/hash${i}`));
    const up = name.includes("/") ? "../../.." : "../..";
    await Deno.symlink(`${up}/blobs/hash${i}`, join(snapshot, name));
  }
  return snapshot;
}

for (
  const [name, files] of [
    ["gpt2", ["config.json", "onnx/model.onnx"]],
    ["llama", ["config.json", "onnx/model.onnx", "onnx/dy.onnx.data"]],
  ] as const
) {
  Deno.test(`${name}: a folder of Hugging Face's cache, all links, is opened`, async () => {
    await withFolder(async (root) => {
      const { folder, tokens, rows, values } = loadFixture(name);
      const snapshot = await writeCache(root, folder, [...files]);
      await using model = await openLanguageModel(snapshot, { hook, threads: 1 });
      const { data } = await model.activations(tokens, rows);
      assert(maxDifference(data, values.pre1) < 1e-5);
      await model.crossEntropy(tokens, rows);
    });
  });
}

Deno.test("an .onnx file may be a link, its weights are beside it or nowhere", async () => {
  await withFolder(async (root) => {
    const gpt2 = loadFixture("gpt2");
    await Deno.mkdir(join(root, "here"));
    await Deno.mkdir(join(root, "there"));
    await Deno.copyFile(join(gpt2.folder, "onnx/model.onnx"), join(root, "there/model.onnx"));
    await Deno.copyFile(join(gpt2.folder, "config.json"), join(root, "here/config.json"));
    await Deno.symlink("../there/model.onnx", join(root, "here/model.onnx"));
    await using model = await openLanguageModel(join(root, "here"), { hook, threads: 1 });
    const { data } = await model.activations(gpt2.tokens, gpt2.rows);
    assert(maxDifference(data, gpt2.values.pre1) < 1e-5);

    const llama = join(loadFixture("llama").folder, "onnx");
    await Deno.copyFile(join(llama, "model.onnx"), join(root, "here/llama.onnx"));
    await Deno.copyFile(join(llama, "dy.onnx.data"), join(root, "there/dy.onnx.data"));
    await Deno.symlink("../there/dy.onnx.data", join(root, "here/dy.onnx.data"));
    assertThrows(
      () => readOnnxGraph(join(root, "here/llama.onnx")),
      Error,
      `has its data in "dy.onnx.data", a link to ${
        join(Deno.realPathSync(root), "there")
      }/dy.onnx` +
        ".data, which is not in its folder",
    );
    // A blob may be a link to what several repositories share: huggingface_hub's blobs/XY/HASH.
    const shared = await writeCache(join(root, "shared"), join(llama, ".."), [
      "config.json",
      "onnx/model.onnx",
      "onnx/dy.onnx.data",
    ]);
    const store = join(root, "shared/blobs/ab");
    await Deno.mkdir(store, { recursive: true });
    const blob = join(shared, "../../blobs/hash2");
    await Deno.rename(blob, join(store, "hash"));
    await Deno.symlink("../../blobs/ab/hash", blob);
    await (await openLanguageModel(shared, { hook, threads: 1 }))[Symbol.asyncDispose]();
    // A snapshot's links may lead to the blobs of its own cache only.
    const snapshot = await writeCache(root, join(llama, ".."), ["onnx/model.onnx", "config.json"]);
    await Deno.symlink(join(root, "there/dy.onnx.data"), join(snapshot, "onnx/dy.onnx.data"));
    await assertRejects(() => openLanguageModel(snapshot, { hook }), Error, "a link to");
  });
});
