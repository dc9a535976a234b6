// SAEs whose config says prepend_bos: false are measured on rows that begin without BOS.
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  evaluateOnTexts,
  initializeSae,
  loadSae,
  openActivationStore,
  openDevice,
  openLanguageModel,
  saveSae,
} from "../../mod.ts";
import { createRandom } from "../../lib/random.ts";
import { HOOK, MODEL, saewing, withFolder } from "./cli_helper.ts";

const RULE = "rows begin without BOS, as the SAE's config says (prepend_bos: false); " +
  "--prepend-bos yes puts it in front";

// Tokenized in milliseconds, and without a median norm that would take 4,096 activations.
const TEXT = "The small dog ran over the hill, and nobody in the village saw it again. ".repeat(20);
const READ_ALL = ["--max-norm-multiple", "none"];

async function writeSae(folder: string): Promise<string> {
  await Deno.writeTextFile(join(folder, "text.txt"), TEXT);
  const sae = initializeSae({
    ...{ architecture: "topk", dModel: 128, dictSize: 24, k: 3 },
    random: createRandom(1),
  });
  const metadata = { model: MODEL, hook: HOOK, contextSize: 16, prependBos: false };
  await saveSae({ ...sae, metadata }, join(folder, "sae"));
  return join(folder, "sae");
}

/** What a command printed: its texts, and its result. */
async function run(...args: string[]): Promise<{ said: string; result: Record<string, unknown> }> {
  const { code, stdout, stderr } = await saewing([...args, "--device", "cpu", "--json"]);
  assertEquals(code, 0, stderr);
  return { said: stdout + stderr, result: JSON.parse(stdout.trimEnd().split("\n").at(-1)!) };
}

Deno.test("eval: rows begin without BOS where the config says so, and an option overrides it", async () => {
  await withFolder(async (folder) => {
    const path = await writeSae(folder);
    using device = await openDevice({ device: "cpu" });
    await using model = await openLanguageModel(MODEL, { hook: HOOK });
    const sae = await loadSae(path);
    for (const prependBos of [false, true]) {
      const option = prependBos ? ["--prepend-bos", "yes"] : [];
      const { said, result } = await run(
        ...["eval", path, "--text", join(folder, "text.txt"), "--rows", "3", ...READ_ALL],
        ...option,
      );
      assertEquals(said.includes(RULE), !prependBos, said);
      assertEquals(said.includes("rows begin with BOS (--prepend-bos yes)"), prependBos, said);
      const { crossEntropy } = await evaluateOnTexts(device, model, sae, [TEXT], {
        ...{ contextLength: 16, maxRows: 3, prependBos, normLimit: "none" },
      });
      assertEquals(result.crossEntropy, crossEntropy);
      assertEquals(crossEntropy.tokens, prependBos ? 42 : 45);
    }
    const { code, stderr } = await saewing(["eval", path, "--text", "x", "--prepend-bos", "so"]);
    assertEquals(code, 2);
    assert(stderr.includes("--prepend-bos is so, expected yes or no"), stderr);
  });
});

Deno.test("dashboard: rows begin without BOS where the config says so", async () => {
  await withFolder(async (folder) => {
    const path = await writeSae(folder);
    for (const option of [[], ["--prepend-bos", "yes"]]) {
      const out = join(folder, `out${option.length}`);
      const { said } = await run(
        ...["dashboard", path, "--text", join(folder, "text.txt"), "--examples", "4"],
        ...["--out", out, "--no-logits", ...READ_ALL, ...option],
      );
      assertEquals(said.includes(RULE), option.length === 0);
      const { samples } = JSON.parse(await Deno.readTextFile(join(out, "dashboard.json")));
      assertEquals(samples, option.length === 0 ? 4 * 16 : 4 * 15);
    }
  });
});

Deno.test("harvest --prepend-bos no: a store of all positions, by which SAEs are trained", async () => {
  await withFolder(async (folder) => {
    const out = join(folder, "store");
    await Deno.writeTextFile(join(folder, "text.txt"), TEXT);
    const args = ["--model", MODEL, "--hook", HOOK, "--text", join(folder, "text.txt")];
    const more = ["--context", "16", "--tokens", "64", "--prepend-bos", "no", ...READ_ALL];
    const { code, stderr } = await saewing(["harvest", ...args, ...more, "--out", out]);
    assertEquals(code, 0, stderr);
    const store = await openActivationStore(out);
    assertEquals([store.rows, store.prependBos, store.skipPositions], [64, false, []]);
    const trained = await saewing([
      ...["train", "--activations", out, "--out", join(folder, "run"), "--device", "cpu"],
      ...["--dict-size", "16", "--k", "2", "--steps", "1", "--batch-size", "32"],
    ]);
    assertEquals(trained.code, 0, trained.stderr);
    assertEquals((await loadSae(join(folder, "run/sae"))).metadata.prependBos, false);
    const refused = await saewing([
      ...["train", "--activations", out, "--prepend-bos", "no", "--dict-size", "16", "--k", "2"],
    ]);
    assertEquals(refused.code, 2);
    assert(refused.stderr.includes("--prepend-bos"), refused.stderr);
  });
});

Deno.test("steer, latents: BOS stands in front all the same, and they say so", async () => {
  await withFolder(async (folder) => {
    const path = await writeSae(folder);
    const { said } = await run("latents", path, "A small dog");
    assert(said.includes("texts begin with BOS here, although the SAE's config says"), said);
  });
});
