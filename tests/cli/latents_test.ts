import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { activeLatents } from "../../lib/interpretation/mod.ts";
import { createRandom, initializeSae, openLanguageModel, type Sae, saveSae } from "../../mod.ts";
import { openTestDevice } from "../gpu_helper.ts";
import { HOOK, MODEL, withFolder, writeCorpus } from "./cli_helper.ts";
import { runMain } from "./main_helper.ts";

const TEXT = "The old king\ndied in France.";

function tinySae(): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize: 40, k: 4 },
    random: createRandom(1),
  });
  sae.threshold = new Float32Array(40).fill(0.3);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  return sae;
}

Deno.test("latents of a text are those of the encoder's formula, token by token", async () => {
  const sae = tinySae();
  using device = await openTestDevice();
  await using model = await openLanguageModel(MODEL, { hook: HOOK });
  const found = await activeLatents(device, model, sae, TEXT);
  assertEquals(found.map(({ text }) => text).join(""), TEXT);
  const tokens = model.tokenize(TEXT);
  const { data } = await model.activations(Int32Array.of(model.bosToken, ...tokens), 1);
  let active = 0;
  found.forEach(({ latents, token, massive }, t) => {
    assertEquals([token, massive], [tokens[t], false]);
    const wanted = [];
    for (let l = 0; l < 40; l++) {
      let sum = sae.bEnc[l];
      for (let c = 0; c < 128; c++) {
        sum += (data[(t + 1) * 128 + c] - sae.bDec[c]) * sae.wEnc[l * 128 + c];
      }
      if (sum > 0.3) wanted.push({ latent: l, sum });
    }
    wanted.sort((a, b) => b.sum - a.sum);
    assertEquals(latents.map(({ latent }) => latent), wanted.map(({ latent }) => latent));
    wanted.forEach(({ sum }, i) => assertAlmostEquals(latents[i].activation, sum, 1e-4));
    active += latents.length;
  });
  assert(active > 10, `${active} activations`);
  const few = await activeLatents(device, model, sae, TEXT, { most: 1 });
  assertEquals(few.map(({ latents }) => latents), found.map(({ latents }) => latents.slice(0, 1)));
  // What the SAE was trained without has no latents.
  const norms = Array.from(
    tokens,
    (_, t) => Math.hypot(...data.subarray((t + 1) * 128, (t + 2) * 128)),
  ).sort((a, b) => b - a);
  sae.metadata.normLimit = { multiple: 1, medianNorm: (norms[0] + norms[1]) / 2 };
  const limited = await activeLatents(device, model, sae, TEXT);
  const left = limited.filter(({ massive }) => massive);
  assertEquals(left.map(({ latents }) => latents), [[]]);
});

Deno.test("the command shows labels of a file or of dashboards, and searches them", async () => {
  await withFolder(async (folder) => {
    const sae = join(folder, "sae");
    await saveSae(tinySae(), sae);
    const text = await writeCorpus(folder);
    const dashboards = join(folder, "dashboards");
    const written = await runMain([
      ...["dashboard", sae, "--text", text, "--examples", "20", "--out", dashboards, "--no-logits"],
      ...["--device", "cpu"],
    ]);
    assertEquals(written.code, 0, written.stderr);
    const show = (...more: string[]) => runMain(["latents", sae, TEXT, "--device", "cpu", ...more]);
    const plain = await show("--json", "--most", "2");
    assertEquals(plain.code, 0, plain.stderr);
    const { tokens } = JSON.parse(plain.stdout.trim().split("\n").at(-1)!);
    const { latent } = tokens.find(({ latents }: { latents: [] }) => latents.length > 0).latents[0];
    const file = join(folder, "labels.jsonl");
    await Deno.writeTextFile(file, JSON.stringify({ latent, text: "kings", source: "me" }) + "\n");
    assertStringIncludes((await show("--labels", file)).stdout, "kings (me)");
    assertStringIncludes((await show("--dashboards", dashboards)).stdout, "(tokens)");
    assertStringIncludes((await show()).stdout, '"\\n"');

    const found = await runMain(["latents", dashboards, "--find-token", "the", "--json"]);
    const result = JSON.parse(found.stdout.trim().split("\n").at(-1)!);
    assert(result.found.length > 0);
    const none = await runMain(["latents", dashboards, "--find-text", "no such text"]);
    assertEquals(none.stdout, "no latent was found\n");
    for (
      const [args, message] of [
        [[], "the SAE is missing"],
        [[sae], "the text is missing"],
        [["--find-token", "a"], "the dashboards are missing"],
        [[sae, "--find-token", "a"], "is no folder that `saewing dashboard` finished"],
        [
          [sae, TEXT, "--labels", "a", "--dashboards", "b"],
          "--labels does not go with --dashboards",
        ],
      ] as [string[], string][]
    ) {
      const { code, stderr } = await runMain(["latents", ...args]);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, message);
    }
    const damaged = async (line: string) => {
      await Deno.writeTextFile(file, line + "\n");
      return (await show("--labels", file)).stderr;
    };
    for (const line of ["{}", '{"latent": -1, "text": "a"}', '{"latent": 1, "text": 3}', "no"]) {
      assertStringIncludes(await damaged(line), `line 1 of ${file} is no explanation`);
    }
    const twice = '{"latent": 1, "text": "a"}\n{"latent": 1, "text": "b"}';
    assertStringIncludes(await damaged(twice), `line 2 of ${file} is of latent 1 again`);
  });
});
