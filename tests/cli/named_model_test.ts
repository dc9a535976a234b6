import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join, relative } from "@std/path";
import { findNamedModel } from "../../lib/formats/find_named_model.ts";
import { createRandom, initializeSae, saveSae } from "../../mod.ts";
import { HOOK, MODEL, saewingProcess, withFolder, writeCorpus } from "./cli_helper.ts";

async function save(folder: string, model: string): Promise<void> {
  const random = createRandom(1);
  const sae = initializeSae({ architecture: "topk", dModel: 128, dictSize: 32, k: 4, random });
  await saveSae({ ...sae, metadata: { model, hook: HOOK, contextSize: 16 } }, folder);
}

Deno.test("a model that an SAE names is found from its folder and those above", async () => {
  await withFolder(async (folder) => {
    const sae = join(folder, "project/runs/one/sae");
    const model = join(folder, "project/models/small");
    for (const made of [sae, model, join(folder, "project/runs/models/small")]) {
      await Deno.mkdir(made, { recursive: true });
    }
    // Without a config.json a folder is no model.
    assertEquals(findNamedModel("models/small", sae), "models/small");
    await Deno.writeTextFile(join(model, "config.json"), "{}");
    await Deno.writeTextFile(join(model, "model.onnx"), "");
    const here = (path: string) => relative(Deno.cwd(), path);
    assertEquals(findNamedModel("models/small", sae), here(model));
    assertEquals(findNamedModel("models/small/model.onnx", sae), here(join(model, "model.onnx")));
    assertEquals(findNamedModel("../project/models/small", sae), here(model));
    // As it is: absolute, found here, not found, and of an SAE from the hub.
    for (const name of [model, here(model), "models/large", "Xenova/gpt2"]) {
      assertEquals(findNamedModel(name, sae), name);
    }
    assertEquals(findNamedModel("models/small", "owner/name/folder"), "models/small");
  });
});

Deno.test("eval finds the model of an SAE from another folder, or says how to give it", async () => {
  await withFolder(async (folder) => {
    await save(join(folder, "runs/one/sae"), "models/small");
    const corpus = await writeCorpus(folder);
    const elsewhere = join(folder, "elsewhere");
    await Deno.mkdir(elsewhere);
    const evaluated = () =>
      saewingProcess(
        ["eval", "../runs/one/sae", "--text", corpus, "--rows", "1", "--cache-dir", "cache"],
        elsewhere,
        { HF_HUB_OFFLINE: "1" },
      );
    const without = await evaluated();
    assertEquals(without.code, 1);
    assertStringIncludes(without.stderr, "models/small is not a folder, and on the hub");
    assertStringIncludes(without.stderr, ". give --model: a folder, or a hub id");
    await Deno.mkdir(join(folder, "models"));
    await Deno.symlink(MODEL, join(folder, "models/small"));
    const found = await evaluated();
    assertEquals(found.code, 0, found.stderr);
    assertStringIncludes(found.stdout, "NMSE");
  });
});

Deno.test("the options that stitch and meta take from an SAE have its model's place", async () => {
  const { saeSource } = await import("../../cli/open.ts");
  const { parseArguments } = await import("../../cli/options.ts");
  await withFolder(async (folder) => {
    await Deno.symlink(MODEL, join(folder, "small"));
    const sae = { metadata: { model: "small", hook: HOOK } } as unknown as Parameters<
      typeof saeSource
    >[1];
    await Deno.mkdir(join(folder, "sae"));
    const given = parseArguments([], { values: ["activations"], flags: [] });
    assertEquals(saeSource(given, sae, join(folder, "sae")), {
      ...{ model: [relative(Deno.cwd(), join(folder, "small"))], hook: [HOOK] },
    });
    assertEquals(saeSource(given, sae, dirname(folder)).model, ["small"]);
  });
});
