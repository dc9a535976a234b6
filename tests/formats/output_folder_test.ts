import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  type OpenOutput,
  openOutputFolder,
  OutputFolderError,
} from "../../lib/formats/output_folder.ts";
import { makeDefaultOut } from "../../lib/formats/make_run_folder.ts";
import { MANIFEST, readManifest } from "../../lib/formats/run_files.ts";
import { withFolder } from "../cli/cli_helper.ts";

const STITCH: OpenOutput = { command: "stitch", options: {}, overwrite: false, inputs: [] };
const OVER = { ...STITCH, overwrite: true };

/** A finished run of `stitch` with some files. */
async function finishedRun(path: string, texts: Record<string, string>, how = STITCH) {
  using out = await openOutputFolder(path, how);
  await out.start([]);
  await out.write(texts);
  await out.finish();
}

/** All that is below a folder, without the manifest. */
async function tree(folder: string, within = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, within))) {
    const path = within === "" ? name : `${within}/${name}`;
    if (isDirectory) found.push(...await tree(folder, path));
    else if (name !== MANIFEST) found.push(path);
  }
  return found.sort();
}

const ONE = { "report.html": "one", "swaps_a_to_b.csv": "one", "plots/swaps_a_to_b.svg": "one" };
const TWO = { "report.html": "two", "swaps_b_to_c.csv": "two" };

Deno.test("a finished run is refused without --overwrite, and then replaced as a whole", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    await finishedRun(path, ONE);
    const first = readManifest(path)!;
    assertEquals([...first.files].sort(), Object.keys(ONE).sort());
    // Files of others, also among its own.
    await Deno.writeTextFile(join(path, "notes.txt"), "mine");
    await Deno.writeTextFile(join(path, "plots", "mine.svg"), "mine");
    for (const command of ["stitch", "meta", "train", "sweep", "harvest", "convert"] as const) {
      const error = await assertRejects(
        () => openOutputFolder(path, { ...STITCH, command }),
        OutputFolderError,
      );
      assertMatch(error.message, /holds what `saewing stitch` finished 20\d\d-.*UTC: take another/);
      assertMatch(error.message, /--overwrite replaces it/);
    }
    assertEquals(readManifest(path), first);
    // Opening changes nothing yet; nor does giving up.
    (await openOutputFolder(path, OVER))[Symbol.dispose]();
    assertEquals(readManifest(path), first);

    await finishedRun(path, TWO, OVER);
    const second = readManifest(path)!;
    assertNotEquals(second.run, first.run);
    assertEquals(await tree(path), [
      ...["notes.txt", "plots/mine.svg", "report.html", "swaps_b_to_c.csv"],
    ]);
    assertEquals([...second.files].sort(), Object.keys(TWO).sort());
    assertEquals(await Deno.readTextFile(join(path, "report.html")), "two");
  });
});

Deno.test("a run whose process ended says that it is unfinished, wherever that was", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    await finishedRun(path, ONE);
    // Killed while it removed the run before: of the manifest that it had then, files are left.
    const first = readManifest(path)!;
    const half = { ...first, finished: undefined, files: [], clears: first.files };
    await Deno.writeTextFile(join(path, MANIFEST), JSON.stringify(half));
    await Deno.remove(join(path, "report.html"));
    // That --overwrite was given already: the rest of that run goes before anything is written.
    {
      using out = await openOutputFolder(path, STITCH);
      await out.start([]);
      assertEquals(await tree(path), [".lock"]);
      await out.write({ "report.html": "half" });
      // Killed here.
    }
    const unfinished = readManifest(path)!;
    assertEquals([unfinished.finished, unfinished.files], [undefined, ["report.html"]]);
    // Nothing that took long is lost with it.
    await finishedRun(path, TWO);
    assertEquals(await tree(path), Object.keys(TWO).sort());
  });
});

Deno.test("an unfinished run with work in it is not given up without --overwrite", async () => {
  await withFolder(async (folder) => {
    const cases = [
      ["train", "checkpoint/checkpoint.safetensors", /`saewing train --resume .*` continues it/],
      ["train", "sae/sae_weights.safetensors", /`--initial .*sae` starts from its SAE/],
      ["sweep", "topk_m8_k2_seed0/cell.json", /the command that began it continues it/],
      ["meta", "meta/sae_weights.safetensors", /`--meta .*meta` continues it/],
    ] as const;
    for (const [i, [command, file, message]] of cases.entries()) {
      const path = join(folder, String(i));
      {
        using out = await openOutputFolder(path, { ...STITCH, command });
        await out.start([file]);
        await out.write({ [file]: "work" });
      }
      for (const other of [command, "stitch"] as const) {
        const error = await assertRejects(
          () => openOutputFolder(path, { ...STITCH, command: other }),
          OutputFolderError,
        );
        assertMatch(error.message, message);
        assertMatch(error.message, /holds an unfinished run.*--overwrite gives it up/);
      }
      await finishedRun(path, TWO, OVER);
      assertEquals(await tree(path), Object.keys(TWO).sort());
    }
  });
});

Deno.test("nothing outside a run's own files is removed or written over", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    const outside = join(folder, "outside");
    await Deno.mkdir(outside);
    await Deno.writeTextFile(join(outside, "swaps_a_to_b.svg"), "outside");
    await Deno.writeTextFile(join(folder, "report.html"), "outside");
    // What no run here wrote, in the place of what this one writes: also with --overwrite.
    await Deno.mkdir(path);
    await Deno.writeTextFile(join(path, "report.html"), "mine");
    for (const how of [STITCH, OVER]) {
      const error = await assertRejects(() => openOutputFolder(path, how), OutputFolderError);
      assertMatch(error.message, /report\.html is not from a run that .* names/);
    }
    await Deno.remove(join(path, "report.html"));
    await finishedRun(path, ONE);
    const manifest = readManifest(path)!;

    // A manifest that names others' files.
    for (const file of ["../report.html", "/etc/passwd", "notes.txt", "plots/../report.html", 7]) {
      for (const change of [{ files: [file] }, { clears: [file] }]) {
        await Deno.writeTextFile(join(path, MANIFEST), JSON.stringify({ ...manifest, ...change }));
        const error = await assertRejects(() => openOutputFolder(path, OVER), Error);
        assertMatch(error.message, /saewing\.json is not what saewing writes: (files|clears)/);
      }
    }
    await Deno.writeTextFile(join(path, MANIFEST), JSON.stringify(manifest));

    // A folder that became a link, before the command or while it works.
    await Deno.rename(join(path, "plots"), join(folder, "moved"));
    const open = await openOutputFolder(path, OVER);
    open[Symbol.dispose]();
    await Deno.symlink(outside, join(path, "plots"));
    const link = await assertRejects(() => openOutputFolder(path, OVER), OutputFolderError);
    assertMatch(link.message, /plots is a link or a file, expected a folder or nothing/);
    await Deno.remove(join(path, "plots"));
    await Deno.rename(join(folder, "moved"), join(path, "plots"));
    {
      using late = await openOutputFolder(path, OVER);
      await Deno.rename(join(path, "plots"), join(folder, "moved"));
      await Deno.symlink(outside, join(path, "plots"));
      await assertRejects(() => late.start([]), Error, "what it leads to is not removed");
    }
    await Deno.remove(join(path, "plots"));
    // A file that became a link: it goes, what it leads to stays.
    await Deno.remove(join(path, "report.html"));
    await Deno.symlink(join(folder, "report.html"), join(path, "report.html"));
    await finishedRun(path, { "claims.csv": "" });
    assertEquals(await tree(path), ["claims.csv"]);
    assertEquals(await Deno.readTextFile(join(folder, "report.html")), "outside");
    assertEquals(await Deno.readTextFile(join(outside, "swaps_a_to_b.svg")), "outside");
  });
});

Deno.test("what is read is not removed, and no run is written into a part of another", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    const files = {
      "sae/sae_weights.safetensors": "",
      "sae/cfg.json": "",
      "config.json": "{}",
    };
    await finishedRun(path, files, { ...STITCH, command: "train" });
    await Deno.symlink(path, join(folder, "link"));
    await Deno.writeTextFile(join(path, "held-out.jsonl"), "");
    const inputs = [
      ...[join(path, "sae"), path, folder, join(path, "sae/cfg.json")],
      join(folder, "link", "sae"),
    ];
    for (const input of inputs) {
      const error = await assertRejects(
        () => openOutputFolder(path, { ...OVER, inputs: [input] }),
        OutputFolderError,
      );
      assertMatch(error.message, /is read, and is part of the run in .* that would be replaced/);
    }
    const others = [join(path, "held-out.jsonl"), "Xenova/gpt2", join(folder, "*.txt"), "."];
    (await openOutputFolder(path, { ...OVER, inputs: others }))[Symbol.dispose]();
    const part = async () => {
      const error = await assertRejects(
        () => openOutputFolder(join(path, "sae"), { ...OVER, command: "convert" }),
        OutputFolderError,
      );
      assertMatch(error.message, /is part of what `saewing train` wrote in .*run: take another/);
    };
    await part();
    // Also where the run is from before there were manifests.
    await Deno.rename(join(path, MANIFEST), join(folder, MANIFEST));
    await Deno.writeTextFile(join(path, "config.json"), `{ "options": {} }`);
    await part();
    await Deno.rename(join(folder, MANIFEST), join(path, MANIFEST));
    await finishedRun(join(path, "stitched"), ONE);
  });
});

Deno.test("folders from before there were manifests are known by their files", async () => {
  const kinds: [command: string, files: Record<string, string>, finished: RegExp][] = [
    ["train", {
      "config.json": `{ "options": {}, "finished": true }`,
      "sae/cfg.json": "",
      "report.html": "",
      "checkpoint/checkpoint.safetensors": "",
    }, /holds what `saewing train` finished/],
    [
      "train",
      { "config.json": `{ "batchSize": 8 }`, "checkpoint/checkpoint.safetensors": "" },
      /holds an unfinished run: `saewing train --resume/,
    ],
    ["sweep", {
      "sweep.html": "",
      "sweep.csv": "",
      "topk_m8_k2_seed0/cell.json": "",
      "topk_m8_k2_seed0/sae/cfg.json": "",
      "plots/pareto.svg": "",
    }, /holds what `saewing sweep` finished/],
    [
      "stitch",
      { "report.html": "", "overlap.csv": "", "plots/effects_a_to_b.svg": "" },
      /holds what `saewing stitch` finished/,
    ],
    [
      "meta",
      { "report.html": "", "meta_latents.csv": "", "meta/cfg.json": "" },
      /holds what `saewing meta` finished/,
    ],
    [
      "harvest",
      { "store.json": `{ "complete": true }`, "shard-00000.bin": "" },
      /holds what `saewing harvest` finished/,
    ],
    ["convert", { "cfg.json": "", "sae_weights.safetensors": "" }, /holds an SAE, written/],
  ];
  await withFolder(async (folder) => {
    for (const [i, [kind, files, message]] of kinds.entries()) {
      const path = join(folder, String(i));
      const all = { ...files, "notes.txt": "", "plots/mine.svg": "" };
      for (const [name, text] of Object.entries(all)) {
        await Deno.mkdir(join(path, name, ".."), { recursive: true });
        await Deno.writeTextFile(join(path, name), text);
      }
      const error = await assertRejects(
        () => openOutputFolder(path, STITCH),
        OutputFolderError,
        "",
        kind,
      );
      assertMatch(error.message, message);
      await finishedRun(path, TWO, OVER);
      assertEquals(await tree(path), [
        ...["notes.txt", "plots/mine.svg", "report.html", "swaps_b_to_c.csv"],
      ]);
    }
    // Another program's config.json is no run.
    const model = join(folder, "model");
    await Deno.mkdir(model);
    await Deno.writeTextFile(join(model, "config.json"), `{ "model_type": "gpt2" }`);
    for (const overwrite of [false, true]) {
      const error = await assertRejects(
        () => openOutputFolder(model, { ...STITCH, command: "train", overwrite }),
        OutputFolderError,
      );
      assertMatch(error.message, /config\.json is not from a run/);
    }
  });
});

Deno.test("a store that is complete is finished, whether or not its manifest was written last", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const harvest: OpenOutput = { ...STITCH, command: "harvest" };
    const write = async (complete: boolean, how: OpenOutput) => {
      using out = await openOutputFolder(path, how);
      await out.start(["store.json"]);
      assertEquals(await tree(path), [".lock"]);
      await out.write({ "shard-00000.bin": "", "store.json": JSON.stringify({ complete }) });
    };
    await write(true, harvest);
    const refuses = (message: string) =>
      assertRejects(() => openOutputFolder(path, harvest), OutputFolderError, message);
    await refuses("holds what `saewing harvest` finished");
    await write(false, { ...harvest, overwrite: true });
    await refuses("holds an unfinished run of `saewing harvest`");
    // One that is killed while it removes a complete store has none.
    const manifest = { ...readManifest(path)!, clears: ["store.json", "shard-00000.bin"] };
    await Deno.writeTextFile(join(path, MANIFEST), JSON.stringify(manifest));
    await Deno.writeTextFile(join(path, "store.json"), `{ "complete": true }`);
    await write(true, harvest);
  });
});

Deno.test("one command at a time works in a folder; one that was not needed goes", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "run");
    {
      using _ = await openOutputFolder(path, STITCH);
      const error = await assertRejects(() => openOutputFolder(path, OVER), Error);
      assertMatch(
        error.message,
        /^process \d+ on .* writes to .*run: wait for it, or choose another/,
      );
    }
    assertEquals(await tree(folder), []);
    assert(!Array.from(Deno.readDirSync(folder)).length);
  });
});

Deno.test("runs that start in the same second have folders of their own", async () => {
  await withFolder(async (folder) => {
    const parent = join(folder, "runs");
    const at = new Date("2026-11-24T07:08:09.5Z");
    const made = await Promise.all(
      Array.from({ length: 3 }, () => makeDefaultOut("stitch", at, parent)),
    );
    assertEquals(made.sort(), [
      join(parent, "stitch-2026-11-24T07-08-09"),
      join(parent, "stitch-2026-11-24T07-08-09-2"),
      join(parent, "stitch-2026-11-24T07-08-09-3"),
    ]);
  });
});
