import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { generate, openEditor, steeringEffect } from "../../lib/interpretation/mod.ts";
import {
  createRandom,
  initializeSae,
  loadSae,
  openLanguageModel,
  type Sae,
  saveSae,
} from "../../mod.ts";
import { openTestDevice } from "../gpu_helper.ts";
import { HOOK, MODEL, saewing, withFolder } from "./cli_helper.ts";

const TEXT = "The President of the United";

function tinySae(dictSize: number, seed: number): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize, k: 4 },
    random: createRandom(seed),
  });
  sae.threshold = new Float32Array(dictSize).fill(0.6);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  return sae;
}

Deno.test("steer prints what the library's edits do to text and predictions", async () => {
  await withFolder(async (folder) => {
    const [path, metaPath] = [join(folder, "sae"), join(folder, "meta")];
    await saveSae(tinySae(40, 1), path);
    await saveSae(tinySae(6, 2), metaPath);
    const { code, stdout, stderr } = await saewing([
      ...["steer", path, TEXT, "--clamp", "3=30,7=4", "--ablate", "9", "--meta", metaPath],
      ...["--add-meta", "5=-6", "--tokens", "3", "--temperature", "1", "--seed", "4"],
      ...["--shown", "2", "--device", "cpu", "--json"],
    ]);
    assertEquals(code, 0, stderr);
    const found = JSON.parse(stdout.trim().split("\n").at(-1)!);

    using device = await openTestDevice();
    await using model = await openLanguageModel(MODEL, { hook: HOOK });
    const [sae, meta] = [await loadSae(path), await loadSae(metaPath)];
    using editor = openEditor(device, sae, [
      ...[{ latent: 3, clamp: 30 }, { latent: 7, clamp: 4 }, { latent: 9, ablate: true } as const],
      { direction: meta.wDec.slice(5 * 128, 6 * 128), by: -6 },
    ]);
    const prompt = Int32Array.of(model.bosToken, ...model.tokenize(TEXT));
    const options = { tokens: 3, temperature: 1, seed: 4 };
    const text = (tokens: Int32Array) =>
      Array.from(tokens, (token) => model.tokenText(token)).join("");
    assertEquals(found.own, text(await generate(model, prompt, options)));
    assertEquals(found.edited, text(await generate(model, prompt, { ...options, editor })));
    assert(found.own !== found.edited);
    const effect = await steeringEffect(model, editor, prompt, 1, { count: 2 });
    assertEquals(found.next.raised, effect.next[0].raised);
    assertEquals([found.loss, found.editedLoss], [effect.loss, effect.editedLoss]);
  });
});

Deno.test("steer shows both texts and the tokens that change", async () => {
  await withFolder(async (folder) => {
    await saveSae(tinySae(40, 1), join(folder, "sae"));
    const { code, stdout, stderr } = await saewing([
      ...["steer", join(folder, "sae"), TEXT, "--clamp", "3=30", "--tokens", "2"],
      ...["--device", "cpu"],
    ]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, `without edits  ${TEXT}`);
    assertStringIncludes(stdout, `with edits     ${TEXT}`);
    assertStringIncludes(stdout, "next token, raised");
  });
});

Deno.test("steer says which edit does not fit", async () => {
  await withFolder(async (folder) => {
    const [sae, meta] = [join(folder, "sae"), join(folder, "meta")];
    await saveSae(tinySae(10, 1), sae);
    await saveSae(tinySae(5, 2), meta);
    for (
      const [args, message] of [
        [[], "the SAE is missing"],
        [[sae], "the text is missing"],
        [[sae, "a", "b", "--ablate", "1"], "b is one argument too many: put the text in quotes"],
        [[sae, "a"], "there is no edit"],
        [[sae, "a", "--ablate", "x"], "--ablate is x, expected the number of a latent"],
        [[sae, "a", "--clamp", "3"], "--clamp is 3, expected NUMBER=VALUE, such as 17=4.5"],
        [[sae, "a", "--add", "3=much"], "--add is 3=much, expected NUMBER=VALUE"],
        [[sae, "a", "--add-meta", "3=1"], "--add-meta needs --meta"],
        [
          [sae, "a", "--add-meta", "5=1", "--meta", meta],
          "--add-meta has meta-latent 5, expected one below 5",
        ],
        [[sae, "a", "--ablate", "1,10"], "edit 1: latent is 10, expected a latent below 10"],
        [
          [sae, "a", "--ablate", "1", "--temperature=-1"],
          "--temperature is -1, expected a number from 0",
        ],
        [[sae, "word ".repeat(200), "--ablate", "1"], "the text has "],
      ] as const
    ) {
      const { code, stderr } = await saewing(["steer", ...args]);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, message);
    }
  });
});
