import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openActivationStore } from "../../mod.ts";
import { allParts, partPaths } from "../../lib/files/part.ts";
import { partStates } from "../../lib/files/part_states.ts";
import { CORPUS, HOOK, MODEL, sleep, withFolder } from "./cli_helper.ts";
import { testIo } from "./main_helper.ts";
import { ENV, fails, ok, tree } from "./part_helper.ts";
import { main } from "../../cli.ts";

const HOOKS = [HOOK, "blocks.1.hook_resid_pre"];
const harvest = (out: string, hooks = [HOOK]) => [
  ...["harvest", "--model", MODEL, "--text", CORPUS, "--out", out, "--tokens", "1500"],
  ...["--context", "32", "--shard-rows", "200", "--quiet"],
  ...hooks.flatMap((hook) => ["--hook", hook]),
];

Deno.test("parts of a harvest, in any order, read and merge to the bytes of one", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await ok(harvest(whole, HOOKS));
    for (const part of ["3/3", "1/3", "2/3"]) {
      const { stdout } = await ok([...harvest(out, HOOKS), "--part", part]);
      assertStringIncludes(
        stdout,
        `part ${part} of ${out} is done; \`saewing merge ${out}\` writes`,
      );
    }
    assertEquals((await partStates(out)).map(({ state }) => state), ["done", "done", "done"]);
    const again = await ok([...harvest(out, HOOKS), "--part", "2/3", "--json"]);
    assertEquals(JSON.parse(again.stdout), {
      ...{ type: "result", folder: out, part: "2/3", done: true, before: true },
    });
    const batches = async (store: string) => {
      const { batches } = await openActivationStore(join(store, HOOK));
      return await Array.fromAsync(batches({ batchSize: 100, seed: 3 }));
    };
    const wanted = await batches(whole);
    assertEquals(await batches(out), wanted);
    for (let twice = 0; twice < 2; twice++) {
      const { stdout } = await ok(["merge", out]);
      assertStringIncludes(stdout, `3 parts are merged in ${out}`);
      assertEquals(await tree(out), await tree(whole));
    }
    assertEquals(await batches(out), wanted);
    // A requeued task that comes late finds its part done.
    await ok([...harvest(out, HOOKS), "--part", "2/3"]);
  }));

Deno.test("what is missing, damaged or of other options is named; late files are waited for", () =>
  withFolder(async (folder) => {
    const out = join(folder, "out");
    const part = (i: number, more: string[] = []) => [...harvest(out), "--part", `${i}/3`, ...more];
    await ok(part(1));
    await fails(
      ["merge", out],
      1,
      `${out} cannot be merged:`,
      "part 2/3: it is not finished: run it with --part 2/3",
      "part 3/3: it is not finished: run it with --part 3/3",
    );
    await fails(
      part(2, ["--seed", "1"]),
      2,
      `part 1/3 in ${out} is done without that, this is with --seed 1: all parts need the same options`,
    );
    await Promise.all([ok(part(2)), ok(part(3))]);

    const paths = allParts(3).map((each) => partPaths(out, each));
    // Turns are 500 activations in three shards of 200.
    const [first, second] = [join(paths[0].folder, "shard-00000.bin"), paths[1].folder];
    const bytes = await Deno.readFile(first);
    await Deno.writeFile(first, bytes.slice(0, 1000));
    const moved = join(second, "shard-00004.bin");
    const other = await Deno.readFile(moved);
    await Deno.writeFile(moved, other.map((byte, i) => i === 77 ? byte ^ 1 : byte));
    const last = JSON.parse(await Deno.readTextFile(paths[2].done));
    await Deno.writeTextFile(
      paths[2].done,
      JSON.stringify({ ...last, options: { ...last.options, tokens: ["7"] } }),
    );
    await fails(
      ["merge", out],
      1,
      `part 3/3 is with --tokens 7, part 1/3 with --tokens 1500: all parts need the same options`,
      `part 1/3: ${first} has 1000 bytes, expected ${bytes.length}: remove ${
        paths[0].done
      } and the folder ${paths[0].folder}, and run the part again`,
      `part 2/3: ${moved} is damaged: its SHA-256 is`,
    );
    assertEquals(await Deno.stat(join(out, "store.json")).catch(() => "none"), "none");

    // On a shared folder they may be there in a moment.
    await Deno.remove(paths[2].done);
    const late = (async () => {
      await sleep(300);
      await Deno.writeFile(first, bytes);
      await Deno.writeFile(moved, other);
      await Deno.writeTextFile(paths[2].done, JSON.stringify(last));
    })();
    await ok(["merge", out], { SAEWING_PATIENCE_SECONDS: "20" });
    await late;
    const whole = join(folder, "whole");
    await ok(harvest(whole));
    assertEquals(await tree(out), await tree(whole));
  }));

Deno.test("a part that is started twice at once is done once, and stopped by Ctrl-C it goes on", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await ok(harvest(whole));
    const args = [...harvest(out), "--part", "1/1"];
    const { io, written, interrupt } = testIo(ENV);
    const stopped = main(args, io);
    const shard = join(partPaths(out, { index: 1, count: 1 }).folder, "shard-00001.bin");
    while (!await Deno.stat(shard).catch(() => undefined)) await sleep(2);
    interrupt(143);
    assertEquals(await stopped, 143);
    assertStringIncludes(written.stdout, "interrupted: what part 1/1 has finished is kept");
    assertEquals((await partStates(out))[0].state, "waiting");
    assert(await Deno.stat(shard));

    const twice = await Promise.all([ok([...args, "--json"]), ok([...args, "--json"])]);
    const results = twice.map(({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)!));
    assertEquals(results.map(({ before }) => before).sort(), [false, true]);
    await Promise.all([ok(["merge", out]), ok(["merge", out])]);
    assertEquals(await tree(out), await tree(whole));
  }));

Deno.test("a claim that stands still is taken over; its process stops when it comes back", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await ok(harvest(whole));
    const part = { index: 1, count: 1 };
    const paths = partPaths(out, part);
    await Deno.mkdir(join(out, "parts"), { recursive: true });
    await Deno.writeTextFile(
      paths.claim,
      JSON.stringify({ host: "elsewhere", pid: 3, token: "still", beat: 8 }),
    );
    const args = [...harvest(out), "--part", "1/1"];
    const { stdout } = await ok(args);
    assertStringIncludes(stdout, "part 1/1 waits for process 3 on elsewhere, which works on it");
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));

    const other = join(folder, "other");
    const otherPaths = partPaths(other, part);
    const { io, written } = testIo({ SAEWING_TAKEOVER_SECONDS: "60" });
    const running = main([...harvest(other), "--part", "1/1"], io);
    while (!await Deno.stat(otherPaths.claim).catch(() => undefined)) await sleep(2);
    await Deno.writeTextFile(
      otherPaths.claim,
      JSON.stringify({ host: "elsewhere", pid: 4, token: "new", beat: 0 }),
    );
    assertEquals(await running, 1);
    assertStringIncludes(
      written.stderr,
      "process 4 on elsewhere took over part 1/1, this process stops",
    );
    assertEquals(await Deno.stat(otherPaths.done).catch(() => "none"), "none");
  }));

Deno.test("wrong use of parts is told", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await fails(
      ["merge", out],
      2,
      `${out} has no parts: expected a folder that commands with --part`,
    );
    await fails(["merge"], 2, "the folder is missing: saewing merge OUT");
    for (const part of ["0/2", "3/2", "x"]) {
      await fails(
        [...harvest(out), "--part", part],
        2,
        `--part: a part is "${part}", expected i/n`,
      );
    }
    await fails(
      [...harvest(out), "--part", "1/2", "--overwrite"],
      2,
      `--overwrite cannot be used with --part: remove ${out}/parts to start over`,
    );
    await ok([...harvest(whole)]);
    await fails(
      [...harvest(whole), "--part", "1/2"],
      2,
      `${whole} holds what \`saewing harvest\` wrote: parts need a folder of their own`,
    );
    await ok([...harvest(out), "--part", "1/2"]);
    await fails(harvest(out), 2, `${out} holds a run in 2 parts: \`saewing merge ${out}\` writes`);
    await fails(
      [...harvest(out), "--part", "1/3"],
      2,
      `${out} holds a run in 2 parts, this is part 1/3: take another --out`,
    );
    const { folder: store } = partPaths(out, { index: 1, count: 2 });
    await fails(
      ["train", "--activations", store, "--dict-size", "8", "--k", "2"],
      1,
      "is part 1 of 2 of a store: open the folder that has all of them",
    );
    await fails(
      ["train", "--activations", out, "--dict-size", "8", "--k", "2"],
      1,
      "of which 2/2 is not finished: run the harvest with --part 2/2",
    );
  }));

Deno.test("damage after merging is mended as the message says, and never merged over what is whole", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await ok(harvest(whole));
    await ok([...harvest(out), "--part", "1/2"]);
    await ok([...harvest(out), "--part", "2/2"]);
    const paths = partPaths(out, { index: 1, count: 2 });
    const records = await Promise.all([1, 2].map(async (index) => {
      const { done } = partPaths(out, { index, count: 2 });
      return { done, record: JSON.parse(await Deno.readTextFile(done)) };
    }));
    const wrong: [change: Record<string, unknown>, message: string][] = [
      [{ result: { within: ["../escaped"] } }, `result.within is ["../escaped"], expected`],
      [{ result: {} }, "result.within is undefined, expected folders of stores"],
      [{ command: "constructor" }, "holds parts of `saewing constructor`, which has none"],
      [{ options: { tokens: 7 } }, "option tokens is 7, expected texts or true"],
    ];
    for (const [change, message] of wrong) {
      for (const { done, record } of records) {
        await Deno.writeTextFile(done, JSON.stringify({ ...record, ...change }));
      }
      await fails(["merge", out], 1, message);
    }
    assertEquals(await Deno.stat(join(folder, "escaped")).catch(() => "none"), "none");
    await Deno.writeTextFile(paths.done, "{");
    await fails(["merge", out], 1, "Remove it and run the part again");
    for (const { done, record } of records) {
      await Deno.writeTextFile(done, JSON.stringify(record));
    }
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));

    const merged = join(out, "shard-00000.bin");
    const damaged = (await Deno.readFile(merged)).map((byte, i) => i === 5 ? byte ^ 1 : byte);
    // A copy that somebody put back.
    await Deno.writeFile(join(paths.folder, "shard-00000.bin"), damaged);
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));

    await Deno.writeFile(merged, damaged);
    await fails(["merge", out], 1, `remove ${paths.done} and the folder ${paths.folder}, and run`);
    await Deno.remove(paths.done);
    await Deno.remove(paths.folder, { recursive: true });
    await ok([...harvest(out), "--part", "1/2"]);
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));
  }));
