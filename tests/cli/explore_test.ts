import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { initializeSae, type Sae, saveSae } from "../../mod.ts";
import { createRandom } from "../../lib/random.ts";
import { PACKAGE } from "../../cli/explore.ts";
import {
  CORPUS,
  HOOK,
  MODEL,
  ROOT,
  saewing,
  startSaewing,
  withFolder,
  writeCorpus,
} from "./cli_helper.ts";

/** An SAE with random weights. */
function makeSae(seed = 1): Sae {
  const random = createRandom(seed);
  return {
    ...initializeSae({ architecture: "topk", dModel: 128, dictSize: 24, k: 4, random }),
    metadata: { model: MODEL, hook: HOOK, contextSize: 32 },
  };
}

/** Writes what a run has; as from before there were manifests it is known by its files. */
async function writeRun(folder: string, files: Record<string, string>, sae?: Sae): Promise<string> {
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
    await Deno.writeTextFile(join(folder, name), text);
  }
  if (sae) await saveSae(sae, join(folder, "sae"));
  return folder;
}

/** Dashboards of an SAE with random weights. */
async function writeDashboards(folder: string): Promise<string> {
  await saveSae(makeSae(), join(folder, "sae"));
  const out = join(folder, "dashboards");
  const text = await writeCorpus(folder);
  const { code, stderr } = await saewing([
    ...["dashboard", join(folder, "sae"), "--text", text, "--examples", "3", "--no-logits"],
    ...["--out", out, "--quiet"],
  ]);
  assertEquals(code, 0, stderr);
  return out;
}

Deno.test("explore writes a site with all it needs, and shows it", async () => {
  await withFolder(async (folder) => {
    const dashboards = await writeDashboards(folder);
    const out = join(folder, "site");
    // The same SAE twice: the model, which they share, is written once.
    const written = await saewing(["explore", dashboards, dashboards, "--out", out, "--json"]);
    assertEquals(written.code, 0, written.stderr);
    const { files, bytes } = JSON.parse(written.stdout.trim().split("\n").at(-1)!);
    assert(bytes > 14_000_000 && bytes < 25_000_000, `${bytes} bytes`);
    const site = JSON.parse(await Deno.readTextFile(join(out, "site.json")));
    const [{ path, own, manifest }, { own: other }] = site.saes;
    assertEquals([own.model, other.model, site.models.length], [0, 0, 1]);
    const { size } = await Deno.stat(join(out, site.models[0].path, "prefix.onnx"));
    assertEquals(size, site.models[0].bytes);
    assertEquals(manifest.latents, 24);
    assertEquals(own.context, 32);
    const copied = await Deno.readFile(join(out, path, "shard-000.bin"));
    assertEquals(copied, await Deno.readFile(join(dashboards, "shard-000.bin")));
    // Shapes and widths are the SAE's: 4 bytes a number.
    const numbers = own.arrays.reduce(
      (sum: number, [, length]: [string, number]) => sum + length,
      0,
    );
    assertEquals((await Deno.stat(join(out, own.path, "sae.bin"))).size, 4 * numbers);

    const again = await saewing(["explore", dashboards, "--out", out, "--no-own-text"]);
    assertEquals(again.code, 2);
    assertMatch(again.stderr, /holds a run .*--overwrite|--overwrite/);
    const smaller = await saewing([
      ...["explore", dashboards, "--out", out, "--no-own-text", "--overwrite", "--json"],
    ]);
    assertEquals(smaller.code, 0, smaller.stderr);
    assert(JSON.parse(smaller.stdout.trim().split("\n").at(-1)!).files < files);
    assertEquals(await Deno.stat(join(out, "ort/ort.wasm")).catch(() => "gone"), "gone");

    const serving = startSaewing(["explore", dashboards, "--serve", "--port", "0", "--json"]);
    await serving.said('"address"');
    serving.signal("SIGINT");
    assertEquals((await serving.ran).code, 130);
  });
});

Deno.test("runs of the same SAE come to the site, those of another are refused", async () => {
  await withFolder(async (folder) => {
    const dashboards = await writeDashboards(folder);
    const out = join(folder, "site");
    const run = async (...results: string[]) => {
      const { code, stderr } = await saewing([
        ...["explore", dashboards, ...results, "--out", out, "--no-own-text", "--quiet"],
        "--overwrite",
      ]);
      return [code, stderr.split("\n")[0]] as const;
    };
    const config = JSON.stringify({ options: { model: [MODEL] }, finished: true });
    const evaluation = JSON.stringify({ nmse: 0.25, l0: 4 });
    const files = { "config.json": config, "evaluation.json": evaluation };
    const own = await writeRun(join(folder, "run"), files, makeSae());
    assertEquals(await run(own), [0, ""]);
    const site = JSON.parse(await Deno.readTextFile(join(out, "site.json")));
    assertEquals(site.saes[0].results, "results/0/");
    const { measures, from } = JSON.parse(
      await Deno.readTextFile(join(out, "results/0/results.json")),
    );
    assertEquals([measures, from], [[["NMSE", "0.25"], ["L0", "4"]], ["run"]]);

    const [code, message] = await run(await writeRun(join(folder, "other"), files, makeSae(2)));
    assertEquals(code, 1);
    assertMatch(message, /other trained an SAE that has no dashboards here: other \(digest /);
    const unfinished = { "config.json": JSON.stringify({ options: {} }) };
    const [, halt] = await run(await writeRun(join(folder, "half"), unfinished));
    assertMatch(halt, /half holds an unfinished run of `saewing train`/);
    const alone = await saewing(["explore", own, "--quiet"]);
    assertMatch(
      alone.stderr,
      /there are no dashboards among .*run: `saewing dashboard` writes them/,
    );
    const twice = await saewing(["explore", dashboards, own, `${own}/../run`, "--quiet"]);
    assertStringIncludes(twice.stderr, `${own}/../run is given twice`);
    // What is refused leaves the site as it was.
    assertEquals(JSON.parse(await Deno.readTextFile(join(out, "site.json"))), site);
  });
});

Deno.test("explore says what does not fit", async () => {
  await withFolder(async (folder) => {
    const run = async (...args: string[]) => {
      const { code, stderr } = await saewing(["explore", ...args]);
      return [code, stderr.split("\n")[0]] as const;
    };
    assertEquals(await run(), [
      2,
      "saewing explore: the folder of dashboards is missing, or --model for a page that trains",
    ]);
    assertEquals(
      await run("--model", MODEL, "--quiet"),
      [2, "saewing explore: --hook is missing"],
    );
    const lacks = ["--hook", HOOK, "--text", join(folder, "none.jsonl")];
    const [failed, missing] = await run("--model", MODEL, ...lacks, "--quiet");
    assertEquals(failed, 1);
    assertMatch(missing, /none\.jsonl/);
    assertEquals(
      await run(folder, "--port", "99999", "--serve"),
      [2, "saewing explore: --port is 99999, expected at most 65535"],
    );
    const none = join(folder, "out");
    const [code, message] = await run(folder, "--out", none, "--no-own-text", "--quiet");
    assertEquals(code, 2);
    assertMatch(message, /holds no dashboard\.json, expected dashboards, or what train, sweep,/);
    for (
      const [folders, expected] of [
        [[none], `${none} is not there, expected a folder that \`saewing dashboard\`, train,`],
        [[CORPUS], `${CORPUS} is a file, expected a folder that`],
      ] as const
    ) assertStringIncludes((await run(...folders))[1], expected);
    await saveSae(makeSae(), join(folder, "sae"));
    const [, sae] = await run(join(folder, "sae"), "--quiet");
    assertMatch(sae, /holds what `saewing convert` wrote, expected dashboards/);
    assertEquals(await Deno.stat(none).catch(() => "gone"), "gone");
  });
});

Deno.test("the page's ONNX Runtime is named in the version of deno.json", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertEquals(imports["onnxruntime-web/"], `${PACKAGE.replace("npm:", "npm:/")}/`);
});

Deno.test("without a folder the site is a page that trains, with text of its own", async () => {
  await withFolder(async (folder) => {
    const [out, text] = [join(folder, "site"), join(folder, "text.jsonl")];
    const documents = [`${"x".repeat(3999)}😀 cut in the middle of a character`, "short"];
    const many = Array.from({ length: 100 }, () => "y".repeat(9000));
    await Deno.writeTextFile(
      text,
      [...documents, ...many].map((one) => JSON.stringify({ text: one }) + "\n").join(""),
    );
    const { code, stderr } = await saewing([
      ...["explore", "--model", MODEL, "--hook", HOOK],
      ...["--text", text, "--out", out, "--quiet"],
    ]);
    assertEquals(code, 0, stderr);
    const { saes, models: [model] } = JSON.parse(await Deno.readTextFile(join(out, "site.json")));
    assertEquals(saes, []);
    assertEquals(model.hook, HOOK);
    // 4,000 characters of each, 200,000 in all.
    assertEquals(model.texts, { name: "text.jsonl", documents: 51 });
    const texts = JSON.parse(await Deno.readTextFile(join(out, model.path, "texts.json")));
    assertEquals(texts.slice(0, 2), [`${"x".repeat(3999)}\ufffd`, "short"]);
    assertEquals(texts[2], "y".repeat(4000));
    for (const name of ["worker.js", "ort/ort.wasm", `${model.path}prefix.onnx`]) {
      assert((await Deno.stat(join(out, name))).size > 200_000, name);
    }
  });
});
