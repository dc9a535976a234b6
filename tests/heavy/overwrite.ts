// Every command that writes a folder, into one that holds a finished run of it.
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { MANIFEST, readManifest } from "../../lib/formats/run_files.ts";
import { createRandom, initializeSae, loadCheckpoint, loadSae, saveSae } from "../../mod.ts";
import {
  HOOK,
  MODEL,
  saewing,
  saewingProcess,
  sleep,
  startSaewing,
  withFolder,
  writeCorpus,
} from "../cli/cli_helper.ts";

/** All files below a folder with their bytes and times, but for the lock. */
async function files(folder: string, within = ""): Promise<Map<string, [Uint8Array, number]>> {
  const found = new Map<string, [Uint8Array, number]>();
  for await (const { name, isDirectory } of Deno.readDir(join(folder, within))) {
    const path = within === "" ? name : `${within}/${name}`;
    if (isDirectory) { for (const [at, file] of await files(folder, path)) found.set(at, file); }
    else if (name !== ".lock") {
      const { mtime } = await Deno.stat(join(folder, path));
      found.set(path, [await Deno.readFile(join(folder, path)), Number(mtime)]);
    }
  }
  return found;
}

/** Fails unless the manifest lists every file of a folder, but for itself and those of others. */
async function assertListed(out: string, others: string[]): Promise<void> {
  const listed = [...readManifest(out)!.files, MANIFEST, ...others].sort();
  assertEquals([...(await files(out)).keys()].sort(), listed);
}

async function assertRuns(args: string[], code = 0): Promise<string> {
  const ran = await saewing(args);
  assertEquals(ran.code, code, ran.stderr);
  return ran.stderr;
}

async function writeSae(folder: string, dictSize: number, seed: number): Promise<string> {
  const random = createRandom(seed);
  const sae = initializeSae({ architecture: "batchtopk", dModel: 128, dictSize, k: 4, random });
  sae.threshold = new Float32Array(dictSize).fill(0.4);
  sae.metadata = { model: MODEL, hook: HOOK, contextSize: 32, training: { seed } };
  await saveSae(sae, folder);
  return folder;
}

Deno.test("a finished run is replaced only with --overwrite and then as a whole, in every command", async (t) => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const none = join(folder, "none.jsonl");
    const store = join(folder, "store");
    const sae = (dictSize: number) => join(folder, `m${dictSize}`);
    for (const [seed, dictSize] of [16, 24, 32].entries()) {
      await writeSae(sae(dictSize), dictSize, seed);
    }
    const model = ["--model", MODEL, "--hook", HOOK];
    await assertRuns(
      ["harvest", ...model, "--text", corpus, "--tokens", "500", "--out", store],
    );
    const train = ["--activations", store, "--k", "2", "--steps", "2", "--batch-size", "128"];
    const measured = ["--eval-text", corpus, "--eval-rows", "2"];
    const texts = ["--text", corpus, "--context", "32"];
    const meta = ["--epochs", "2", "--dict-size", "8", "--no-control"];
    const stitch = ["--samples", "64", "--examples", "0"];
    /** The arguments of a run, of another one and of one that cannot be; what must not stay. */
    const cases: [command: string, one: string[], two: string[], bad: string[], gone: string[]][] =
      [
        [
          "train",
          [...train, "--dict-size", "16", ...measured],
          [...train, "--dict-size", "24", "--checkpoint-every", "0"],
          [...train, "--dict-size", "24", "--eval-text", none],
          ["report.html", "evaluation.json", "checkpoint/checkpoint.safetensors"],
        ],
        [
          "sweep",
          [...train, "--dict-size", "16,24", ...measured],
          [...train, "--dict-size", "16", ...measured],
          [...train, "--dict-size", "16", "--eval-text", none],
          ["batchtopk_m24_k2_seed0/cell.json", "plots/nmse_by_dict_size_k2.svg"],
        ],
        [
          "stitch",
          [sae(16), sae(24), ...texts, ...stitch],
          [sae(24), sae(32), ...texts, ...stitch],
          [sae(24), sae(32), "--text", none],
          ["latents_m16_to_m24.csv", "plots/effects_m16_to_m24.svg"],
        ],
        [
          "meta",
          [sae(32), ...meta, "--compare", sae(16)],
          [sae(24), ...meta],
          [sae(24), ...meta, "--text", none],
          ["compared.csv", "plots/cosine_m16.svg"],
        ],
        [
          "harvest",
          [...model, "--text", corpus, "--tokens", "400"],
          [...model, "--text", corpus, "--tokens", "300", "--dtype", "float16"],
          [...model, "--text", none],
          [],
        ],
      ];
    for (const [command, one, two, bad, gone] of cases) {
      await t.step(command, async () => {
        const out = join(folder, command);
        await assertRuns([command, ...one, "--out", out]);
        const { run, command: named, options } = readManifest(out)!;
        assertEquals(named, command);
        const saes = one.slice(0, one.findIndex((argument) => argument.startsWith("--")));
        if (saes.length > 0) assertEquals(options.SAE, saes);
        await assertListed(out, []);
        await Deno.writeTextFile(join(out, "notes.txt"), "mine");
        const before = await files(out);
        for (const name of gone) assert(before.has(name), `${name} of ${[...before.keys()]}`);

        const refused = await assertRuns([command, ...two, "--out", out], 2);
        assertMatch(
          refused,
          command === "sweep"
            ? /holds batchtopk_m24_k2_seed0, which this grid has not: .*another --out, or --overwrite/
            : /holds what `saewing \w+` finished 20.* UTC: take another folder, or --overwrite/,
        );
        assertEquals(await files(out), before);
        assertMatch(
          await assertRuns([command, ...bad, "--out", out, "--overwrite"], 1),
          /none\.jsonl/,
        );
        assertEquals(await files(out), before);

        const started = Date.now();
        await assertRuns([command, ...two, "--out", out, "--overwrite"]);
        assertNotEquals(readManifest(out)!.run, run);
        assert(readManifest(out)!.finished !== undefined);
        await assertListed(out, ["notes.txt"]);
        const after = await files(out);
        for (const name of gone) assert(!after.has(name), name);
        for (const [name, [, time]] of after) {
          assert(name === "notes.txt" || time >= started - 1000, `${name} is of the run before`);
        }
      });
    }

    await t.step("convert, into the folder of another command too", async () => {
      const out = join(folder, "converted");
      await assertRuns(["convert", sae(16), out]);
      await assertListed(out, []);
      const before = await files(out);
      await assertRuns(["convert", sae(24), out], 2);
      await assertRuns(["convert", join(folder, "none"), out, "--overwrite"], 1);
      assertEquals(await files(out), before);
      await assertRuns(["convert", sae(24), out, "--overwrite"]);
      assertEquals((await loadSae(out)).dictSize, 24);
      await assertListed(out, []);
      const run = join(folder, "train");
      await assertRuns(["convert", sae(16), run], 2);
      const part = await assertRuns(["convert", sae(16), join(run, "sae"), "--overwrite"], 2);
      assertMatch(part, /is part of what `saewing train` wrote/);
      const read = await assertRuns(["convert", run + "/sae", run, "--overwrite"], 2);
      assertMatch(read, /is read, and is part of the run in/);
      await assertRuns(["convert", sae(16), run, "--overwrite"]);
      await assertListed(run, ["notes.txt"]);
      assertEquals([...(await files(run)).keys()].sort(), [
        ...["cfg.json", "notes.txt", "sae_weights.safetensors", MANIFEST],
      ]);
    });

    await t.step(
      "what does not fit into memory is found out before anything is removed",
      async () => {
        const out = join(folder, "store");
        const before = await files(out);
        const large = train.map((arg) => arg === store ? join(folder, "harvest") : arg);
        const told = await assertRuns(
          ["train", ...large, "--dict-size", "100000000", "--out", out, "--overwrite"],
          1,
        );
        assertMatch(told, /GiB|this device binds/);
        assertEquals(await files(out), before);
      },
    );

    await t.step(
      "a sweep of more SAEs goes on, also from before there were manifests",
      async () => {
        const out = join(folder, "sweep");
        await Deno.remove(join(out, MANIFEST));
        const weights = join(out, "batchtopk_m16_k2_seed0/sae/sae_weights.safetensors");
        const before = await Deno.stat(weights);
        await assertRuns(["sweep", ...train, "--dict-size", "16,24", ...measured, "--out", out]);
        assertEquals((await Deno.stat(weights)).mtime, before.mtime);
        await assertListed(out, ["notes.txt"]);
      },
    );
  });
});

Deno.test("a run that continues leaves no report of the SAE before beside the new one", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const run = join(folder, "run");
    await assertRuns([
      ...["train", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--dict-size", "32"],
      ...["--k", "2", "--steps", "2", "--batch-size", "64", "--buffer", "128", "--out", run],
      ...["--checkpoint-every", "2", "--eval-text", corpus, "--eval-rows", "2"],
    ]);
    await Deno.stat(join(run, "report.html"));
    // As it was before there were manifests.
    await Deno.remove(join(run, MANIFEST));
    const running = startSaewing(["train", "--resume", run, "--steps", "100000"]);
    while ((await loadCheckpoint(join(run, "checkpoint")))!.steps <= 2) await sleep(10);
    running.signal("SIGINT");
    assertEquals((await running.ran).code, 130);
    const names = [...(await files(run)).keys()];
    assertEquals(names.filter((name) => /report|evaluation/.test(name)), []);
    assertEquals(readManifest(run)!.finished, undefined);
    assertMatch(
      await assertRuns([
        "train",
        "--activations",
        run,
        "--dict-size",
        "8",
        "--k",
        "2",
        "--out",
        run,
      ], 2),
      /holds an unfinished run: `saewing train --resume/,
    );
  });
});

Deno.test("the meta-SAE of a run that was killed is kept, and --meta continues it", async () => {
  await withFolder(async (folder) => {
    const sae = await writeSae(join(folder, "sae"), 24, 0);
    const out = join(folder, "out");
    const command = ["meta", sae, "--out", out, "--no-control"];
    const training = ["--epochs", "2", "--dict-size", "8"];
    await assertRuns([...command, ...training]);
    // Killed before its results: the manifest says so, and some of them are of no run.
    const { finished: _, ...manifest } = readManifest(out)!;
    manifest.files.push("compared.csv");
    await Deno.writeTextFile(join(out, MANIFEST), JSON.stringify(manifest));
    await Deno.writeTextFile(join(out, "compared.csv"), "");
    const saved = await Deno.readFile(join(out, "meta/sae_weights.safetensors"));
    assertMatch(await assertRuns([...command, ...training], 2), /`--meta .*meta` continues it/);
    await assertRuns([...command, "--meta", join(out, "meta")]);
    assertEquals(await Deno.readFile(join(out, "meta/sae_weights.safetensors")), saved);
    assert(!(await files(out)).has("compared.csv"));
    assertEquals(readManifest(out)!.run, manifest.run);
    await assertListed(out, []);
    // It is finished now, and what would be read would be removed.
    const again = [...command, "--meta", join(out, "meta")];
    assertMatch(await assertRuns(again, 2), /holds what `saewing meta` finished/);
    assertMatch(await assertRuns([...again, "--overwrite"], 2), /is read, and is part of the run/);
  });
});

Deno.test("a command that fails before it begins leaves no runs/ behind, and none of others' away", async () => {
  await withFolder(async (folder) => {
    const args = ["train", "--model", MODEL, "--hook", HOOK, "--text", "none.txt"];
    const fail = async () => {
      const ran = await saewingProcess([...args, "--dict-size", "8", "--k", "2"], folder);
      assert(ran.code > 0);
      assertStringIncludes(ran.stderr, "none.txt");
    };
    await fail();
    await assertRejects(() => Deno.stat(join(folder, "runs")), Deno.errors.NotFound);
    await Deno.mkdir(join(folder, "runs/train-before"), { recursive: true });
    await fail();
    assertEquals((await Array.fromAsync(Deno.readDir(join(folder, "runs")))).length, 1);
  });
});
