import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  explainModelName,
  exportOf,
  transformerLensName,
} from "../../lib/language_model/model_names.ts";
import { openLanguageModel } from "../../mod.ts";
import { startFakeHub } from "./fake_hub.ts";

Deno.test("names of TransformerLens: mapped, explained or nearly right", () => {
  for (
    const [name, id] of [
      ...["gpt2-small", "gpt2", "openai-community/gpt2"].map((name) => [name, "Xenova/gpt2"]),
      ["pythia-70m-deduped", "Xenova/pythia-70m-deduped"],
      ["EleutherAI/pythia-70m-deduped", "Xenova/pythia-70m-deduped"],
      ["google/gemma-3-270m", "onnx-community/gemma-3-270m-ONNX"],
      ["qwen3-0.6b", "onnx-community/Qwen3-0.6B-ONNX"],
    ]
  ) {
    assertEquals(exportOf(name), id);
    assertEquals(exportOf(id), id);
  }
  for (const name of ["gemma-2-2b", "examples/tiny-gpt2", "toString"]) {
    assertEquals([exportOf(name), transformerLensName(name)], [name, name]);
  }
  assertEquals(transformerLensName("Xenova/gpt2"), "gpt2");
  assertEquals(transformerLensName("Xenova/pythia-70m-deduped"), "EleutherAI/pythia-70m-deduped");
  assertEquals(transformerLensName("onnx-community/gemma-3-270m-ONNX"), "google/gemma-3-270m");
  for (
    const [name, id] of [
      ["gemma-2-2b", "google/gemma-2-2b"],
      ["gpt2-xl", "openai-community/gpt2-xl"],
      ["pythia-1b", "EleutherAI/pythia-1b"],
      ["tiny-stories-33M", "roneneldan/TinyStories-33M"],
    ]
  ) {
    assertStringIncludes(
      explainModelName(name)!,
      `${name} is TransformerLens's name of ${id}: give a folder with an ONNX export of it`,
    );
  }
  assertEquals(
    explainModelName("GPT2_small"),
    "Did you mean gpt2-small (TransformerLens's name of Xenova/gpt2)?",
  );
  for (const name of ["someone/thing", "models", "google/gemma-2-2b", "gpt2"]) {
    assertEquals(explainModelName(name), undefined);
  }
});

Deno.test("openLanguageModel asks for the export that is known, and explains the other names", async () => {
  await using hub = startFakeHub({ files: {} });
  const cacheDir = await Deno.makeTempDir();
  const open = (name: string) =>
    openLanguageModel(name, {
      ...{ hook: "blocks.0.hook_resid_pre", endpoint: hub.endpoint, cacheDir },
      ...{ token: "", offline: false },
    });
  try {
    await assertRejects(
      () => open("gpt2-small"),
      Error,
      "Xenova/gpt2 is not a folder, and on the hub",
    );
    assertEquals(hub.asked[0].path, "/Xenova/gpt2/resolve/main/config.json");
    await assertRejects(
      () => open("gemma-2-2b"),
      Error,
      ". gemma-2-2b is TransformerLens's name of google/gemma-2-2b: give a folder with an ONNX export",
    );
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
});
