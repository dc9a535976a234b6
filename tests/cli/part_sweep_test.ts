import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { main } from "../../cli.ts";
import { partPaths } from "../../lib/files/part.ts";
import { CORPUS, HOOK, MODEL, sleep, withFolder } from "./cli_helper.ts";
import { runMain, testIo } from "./main_helper.ts";
import { ENV, fails, ok, tree } from "./part_helper.ts";

const sweep = (out: string, more: string[] = []) => [
  ...["sweep", "--model", MODEL, "--hook", HOOK, "--text", CORPUS, "--eval-text", CORPUS],
  ...["--context", "32", "--eval-rows", "2", "--k", "4", "--batch-size", "64", "--buffer", "128"],
  ...["--architecture", "batchtopk,relu", "--sparsity", "1", "--dict-size", "16,32"],
  ...["--steps", "4", "--lr", "1e-3", "--seed", "3", "--quiet", "--out", out, ...more],
];

Deno.test("parts of a sweep merge to the bytes of one, its page included, in any order", () =>
  withFolder(async (folder) => {
    const [whole, out] = [join(folder, "whole"), join(folder, "out")];
    await ok(sweep(whole));
    // Stopped after a checkpoint, the second part goes on.
    const { io, written, interrupt } = testIo(ENV);
    const second = [...sweep(out, ["--checkpoint-every", "1"]), "--part", "2/3"];
    const stopped = main(second, io);
    const cells = partPaths(out, { index: 2, count: 3 }).folder;
    const hasCheckpoint = async () => {
      for (const cell of await Array.fromAsync(Deno.readDir(cells)).catch(() => [])) {
        const path = join(cells, cell.name, "checkpoint/checkpoint.safetensors");
        if (await Deno.stat(path).catch(() => undefined)) return true;
      }
      return false;
    };
    while (!await hasCheckpoint()) await sleep(1);
    interrupt(130);
    assertEquals(await stopped, 130);
    assertStringIncludes(written.stdout, "of this part 0 are trained and 0 measured, the same com");
    await ok(second);
    // --at-once and --checkpoint-every change no bits.
    await ok([...sweep(out, ["--at-once", "1"]), "--part", "3/3"]);
    await fails(["merge", out], 1, "part 1/3: it is not finished: run it with --part 1/3");
    await fails(
      [...sweep(out, ["--shuffle-seed", "9"]), "--part", "1/3"],
      2,
      "this is with --shuffle-seed 9: all parts need the same options",
    );
    await ok([...sweep(out), "--part", "1/3"]);
    const names = (index: number) =>
      Array.fromAsync(
        Deno.readDir(partPaths(out, { index, count: 3 }).folder),
        ({ name }) => name,
      );
    // The largest first, each to the part that has least.
    assertEquals((await Promise.all([1, 2, 3].map(names))).map((own) => own.length), [1, 1, 2]);
    for (let twice = 0; twice < 2; twice++) {
      const { stdout } = await ok(["merge", out]);
      assertStringIncludes(stdout, `3 parts are merged in ${out}`);
      assertEquals(await tree(out), await tree(whole));
    }
    // Damaged after merging, a part is trained again beside what is there.
    const [cell] = (await Array.fromAsync(Deno.readDir(out))).filter(({ name }) =>
      /_m16_/.test(name)
    );
    const weights = join(out, cell.name, "sae/sae_weights.safetensors");
    await Deno.writeFile(weights, (await Deno.readFile(weights)).map((byte) => byte ^ 1));
    const { stderr } = await runMain(["merge", out], ENV);
    const [, index, done, part] =
      /part (\d)\/3: .* is damaged: .*: remove (.*) and the folder (.*), and run/.exec(stderr)!;
    await Deno.remove(done);
    await Deno.remove(part, { recursive: true });
    await ok([...sweep(out), "--part", `${index}/3`]);
    await ok(["merge", out]);
    assertEquals(await tree(out), await tree(whole));
    assert("sweep.html" in await tree(out));
    const manifest = JSON.parse(await Deno.readTextFile(join(out, "saewing.json")));
    assertEquals([manifest.command, typeof manifest.finished], ["sweep", "string"]);
    assertEquals(
      manifest.files,
      JSON.parse(await Deno.readTextFile(join(whole, "saewing.json"))).files,
    );
    await ok([...sweep(out), "--part", "1/3"]);
    await fails(sweep(out), 2, `${out} holds a run in 3 parts`);
    await fails(
      [...sweep(join(folder, "new")), "--part", "1/5"],
      2,
      "--part: the grid has 4 SAEs, expected at least as many as parts: 5",
    );
    await fails(
      [...sweep(out).slice(0, -2), "--part", "1/5"],
      2,
      "--part needs --out: the folder that all parts share",
    );
  }));
