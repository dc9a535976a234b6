import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openDashboards } from "../../lib/explorer/mod.ts";
import { collectDashboards } from "../../lib/interpretation/mod.ts";
import { packTokenRows } from "../../lib/language_model/mod.ts";
import {
  createRandom,
  initializeSae,
  loadSae,
  openLanguageModel,
  readTexts,
  type Sae,
  saveSae,
} from "../../mod.ts";
import { openTestDevice } from "../gpu_helper.ts";
import { HOOK, MODEL, saewing, withFolder, writeCorpus } from "./cli_helper.ts";

function tinySae(dictSize: number, seed: number): Sae {
  const sae = initializeSae({
    ...{ architecture: "batchtopk", dModel: 128, dictSize, k: 4 },
    random: createRandom(seed),
  });
  sae.threshold = new Float32Array(dictSize).fill(0.6);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32 };
  return sae;
}

const readFolder = (folder: string) => async (name: string, from?: number, to?: number) =>
  (await Deno.readFile(join(folder, name))).slice(from, to);

Deno.test("dashboard writes what the library collects, with logits, labels and neighbours", async () => {
  await withFolder(async (folder) => {
    await saveSae(tinySae(40, 1), join(folder, "large", "sae"));
    await saveSae(tinySae(12, 2), join(folder, "small", "sae"));
    const text = await writeCorpus(folder);
    const out = join(folder, "out");
    const { code, stdout, stderr } = await saewing([
      ...["dashboard", join(folder, "large", "sae"), "--text", text, "--examples", "20", "--json"],
      ...["--with", join(folder, "small", "sae"), "--out", out, "--top", "3", "--device", "cpu"],
    ]);
    assertEquals(code, 0, stderr);
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assertEquals([result.latents, result.folder], [40, out]);
    const { manifest, record, columns } = await openDashboards(readFolder(out));
    assertEquals(manifest.model, { id: MODEL, hook: HOOK });
    assertEquals(manifest.rows, 20);
    const files = (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name).sort();
    assertEquals(
      files,
      [
        ...[".lock", "dashboard.json", "index.bin", "latents.bin", "saewing.json", "search.bin"],
        "shard-000.bin",
      ].filter((name) => files.includes(name)),
    );

    using device = await openTestDevice();
    await using model = await openLanguageModel(MODEL, { hook: HOOK });
    const rows = packTokenRows(model, readTexts(text), { contextLength: 32, maxRows: 20 });
    const sae = await loadSae(join(folder, "large", "sae"));
    const wanted = await collectDashboards(device, model, sae, rows, { top: 3 });
    const { density } = await columns();
    let active = 0;
    for (let latent = 0; latent < 40; latent++) {
      const found = await record(latent);
      const own = wanted.read(latent);
      assertEquals(found.actives, own.actives);
      assert(Math.abs(density[latent] - own.density) <= 1e-4 * own.density);
      assertEquals(found.top.map(({ row, position }) => [row, position]), [
        ...own.top.map(({ row, position }) => [row, position]),
      ]);
      assertEquals(found.logits!.promoted.length, 10);
      assertEquals(found.logits!.histogram.counts.reduce((a, b) => a + b), model.vocabSize);
      assertEquals(found.others.map(({ name }) => name), ["small"]);
      assertEquals(found.label !== undefined, own.actives > 0);
      if (own.actives > 0) active++;
    }
    assert(active > 5, `${active} latents are active`);
    // A finished folder is not replaced without being asked.
    const again = await saewing([
      ...[
        "dashboard",
        join(folder, "large", "sae"),
        "--text",
        text,
        "--out",
        out,
        "--device",
        "cpu",
      ],
    ]);
    assertEquals(again.code, 2);
    assertStringIncludes(again.stderr, "--overwrite replaces it");
  });
});

Deno.test("dashboard says what does not fit before any work", async () => {
  await withFolder(async (folder) => {
    const sae = join(folder, "sae");
    await saveSae(tinySae(10, 1), sae);
    const text = await writeCorpus(folder);
    for (
      const [args, message] of [
        [["--text", text], "the SAE is missing"],
        [[sae], "--text is missing"],
        [
          [sae, "--text", text, "--latents", "3,10"],
          "--latents is 3,10, expected whole numbers below 10",
        ],
        [[sae, "--text", text, "--pages"], "--pages writes a page per latent: name them with"],
        [
          [sae, "--text", text, "--neuronpedia", "--neuronpedia-set", "a/b"],
          '--neuronpedia: set is "a/b", expected letters, digits, - and _ only',
        ],
        [[sae, "--text", text, "--top", "0"], "--top is 0, expected a whole number from 1 on"],
      ] as const
    ) {
      const { code, stderr } = await saewing(["dashboard", ...args]);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, message);
    }
  });
});

Deno.test("dashboard writes pages and Neuronpedia's files for chosen latents, and replaces them", async () => {
  await withFolder(async (folder) => {
    const sae = join(folder, "m40", "sae");
    await saveSae(tinySae(40, 1), sae);
    const out = join(folder, "out");
    const text = await writeCorpus(folder);
    const args = (latents: string, ...more: string[]) => [
      ...["dashboard", sae, "--text", text, "--examples", "4", "--out", out, "--device", "cpu"],
      ...["--latents", latents, "--pages", "--neuronpedia", "--neuronpedia-set", "res-40", ...more],
    ];
    const first = await saewing(args("3,7"));
    assertEquals(first.code, 0, first.stderr);
    const html = await Deno.readTextFile(join(out, "pages", "latent-3.html"));
    assertStringIncludes(html, "Latent 3 of m40");
    const source = join(out, "neuronpedia", "tiny-gpt2", "2-res-40");
    const line = JSON.parse(await Deno.readTextFile(join(source, "source.jsonl")));
    assertEquals([line.id, line.num_prompts], ["2-res-40", 4]);
    const features = new Blob([await Deno.readFile(join(source, "features", "batch-0.jsonl.gz"))]);
    const lines = await new Response(features.stream().pipeThrough(new DecompressionStream("gzip")))
      .text();
    const read = lines.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(read.map(({ index }) => index), ["3", "7"]);
    assertEquals(read[0].vector.length, 128);
    assertEquals(read[0].logits_hist_data_bar_heights.length, 50);
    const second = await saewing(args("7", "--overwrite"));
    assertEquals(second.code, 0, second.stderr);
    const pages = (await Array.fromAsync(Deno.readDir(join(out, "pages")))).map(({ name }) => name);
    assertEquals(pages, ["latent-7.html"]);
  });
});
