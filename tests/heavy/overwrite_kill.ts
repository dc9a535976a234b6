// `train --overwrite`, killed with SIGKILL: the folder holds the run before, whole, or one that is unfinished
// and says so. SAEWING_KILLS makes the test longer.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { MANIFEST, readManifest } from "../../lib/formats/run_files.ts";
import { HOOK, MODEL, ROOT, saewing, withFolder, writeCorpus } from "../cli/cli_helper.ts";

const KILLS = Number(Deno.env.get("SAEWING_KILLS") ?? 5);

/** Files below a folder, but for the lock and what a killed process was writing. */
async function files(folder: string, within = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, within))) {
    const path = within === "" ? name : `${within}/${name}`;
    if (isDirectory) found.push(...await files(folder, path));
    else if (name !== ".lock" && !/^\..+\.[0-9a-f-]{36}$/.test(name)) found.push(path);
  }
  return found.sort();
}

async function read(folder: string): Promise<Map<string, Uint8Array>> {
  const names = await files(folder);
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readFile(join(folder, name))] as const),
    ),
  );
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("killed at random moments, --overwrite leaves no mixture of two runs", async () => {
  await withFolder(async (folder) => {
    const corpus = await writeCorpus(folder);
    const store = join(folder, "store");
    const assertRuns = async (args: string[]) => {
      const { code, stderr } = await saewing(args);
      assertEquals(code, 0, stderr);
    };
    await assertRuns([
      ...["harvest", "--model", MODEL, "--hook", HOOK, "--text", corpus, "--tokens", "500"],
      ...["--out", store],
    ]);
    const train = (out: string, dictSize: number) => [
      ...["train", "--activations", store, "--dict-size", String(dictSize), "--k", "4"],
      ...["--steps", "30", "--batch-size", "64", "--checkpoint-every", "3", "--out", out],
      ...["--eval-text", corpus, "--eval-rows", "2"],
    ];
    const first = join(folder, "first");
    await assertRuns(train(first, 64));
    const before = await read(first);
    const { run: old } = readManifest(first)!;
    const counts = { whole: 0, removing: 0, unfinished: 0, finished: 0 };
    let last = "";
    for (let kill = 0; kill < KILLS; kill++) {
      const out = last = join(folder, `run${kill}`);
      for (const [name, bytes] of before) {
        await Deno.mkdir(dirname(join(out, name)), { recursive: true });
        await Deno.writeFile(join(out, name), bytes);
        await Deno.utime(join(out, name), 1, 1);
      }
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", join(ROOT, "cli.ts"), ...train(out, 96), "--overwrite", "--json"],
        stdout: "null",
        stderr: "null",
      }).spawn();
      // From the moment at which the manifest names the new run.
      while (kill > 0 && readManifest(out)!.run === old) await sleep(0);
      const wait = kill === 0 ? 300 : kill % 2 === 0 ? 1500 * Math.random() : 8 * Math.random();
      await Promise.race([sleep(wait), child.status]);
      try {
        child.kill("SIGKILL");
      } catch {
        // It was done before.
      }
      await child.status;
      const { run, finished, files: listed, clears = [] } = readManifest(out)!;
      if (run === old) {
        counts.whole++;
        assertEquals(await read(out), before);
        continue;
      }
      counts[clears.length > 0 ? "removing" : finished ? "finished" : "unfinished"]++;
      for (const name of await files(out)) {
        if (clears.includes(name) || name === MANIFEST) continue;
        assert(listed.includes(name), `${name} is listed`);
        const { mtime } = await Deno.stat(join(out, name));
        assert(Number(mtime) > 1000, `${name} is of the run before`);
      }
      assert(clears.length === 0 || !finished);
    }
    console.log(`${KILLS} kills: ${JSON.stringify(counts)}`);
    // What is unfinished is gone on with, or begun anew.
    const again = await saewing(train(last, 96));
    if (again.code !== 0) {
      assertMatch(again.stderr, /holds an unfinished run: `saewing train --resume|finished 20/);
      await assertRuns(["train", "--resume", last]);
    }
    assert(readManifest(last)!.finished !== undefined);
  });
});
