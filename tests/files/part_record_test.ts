import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { partPaths } from "../../lib/files/part.ts";
import { checkPartFiles, readPartRecord, writePartRecord } from "../../lib/files/part_record.ts";
import { withFolder } from "../cli/cli_helper.ts";

const part = { index: 2, count: 3 };
const about = { command: "harvest", part, options: { hook: ["a"] }, result: { rows: 3 } };

/** A part with two files, and its record. */
async function withPart(
  use: (out: string, paths: { a: string; b: string; done: string }) => Promise<void>,
): Promise<void> {
  await withFolder(async (out) => {
    const { folder, done } = partPaths(out, part);
    const [a, b] = [join(folder, "a.bin"), join(folder, "x/b.bin")];
    await Deno.mkdir(dirname(b), { recursive: true });
    await Deno.writeFile(a, Uint8Array.of(1, 2, 3));
    await Deno.writeTextFile(b, "text");
    await writePartRecord(out, { ...about, names: ["x/b.bin", "a.bin"] });
    await use(out, { a, b, done });
  });
}

async function problems(out: string, patience = 0): Promise<string[]> {
  const record = readPartRecord(out, part)!;
  const { folder } = partPaths(out, part);
  const checked = await checkPartFiles(record, ({ name }) => [join(folder, name)], { patience });
  return checked.problems.map(({ path, problem }) => `${path.slice(folder.length + 1)} ${problem}`);
}

Deno.test("a record names files, lengths and hashes", () =>
  withPart(async (out) => {
    const record = readPartRecord(out, part)!;
    assertEquals(record.files, [
      {
        name: "a.bin",
        bytes: 3,
        sha256: "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81",
      },
      {
        name: "x/b.bin",
        bytes: 4,
        sha256: "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1",
      },
    ]);
    const { command, options, result } = record;
    assertEquals({ command, part, options, result }, about);
    assertEquals(await problems(out), []);
    assertEquals(readPartRecord(out, { index: 1, count: 3 }), undefined);
  }));

Deno.test("missing, short, long and changed files are named", () =>
  withPart(async (out, { a, b }) => {
    await Deno.writeFile(a, Uint8Array.of(1, 2));
    assertEquals(await problems(out), ["a.bin has 2 bytes, expected 3"]);
    await Deno.writeFile(a, Uint8Array.of(1, 2, 3, 4));
    assertEquals(await problems(out), ["a.bin has 4 bytes, expected 3"]);
    await Deno.writeFile(a, Uint8Array.of(1, 6, 3));
    await Deno.remove(b);
    assertEquals(await problems(out), [
      "a.bin is damaged: its SHA-256 is 5aece8ec97b5…, expected 039058c6f2c0…",
      "x/b.bin is missing",
    ]);
    await Deno.remove(dirname(b));
    await Deno.writeTextFile(dirname(b), "");
    await Deno.remove(a);
    await Deno.mkdir(a);
    assertEquals(await problems(out), [
      `a.bin cannot be read: ${a} is a folder, expected a file`,
      "x/b.bin is missing",
    ]);
  }));

Deno.test("files that appear late, shorter or with other bytes first, are waited for", () =>
  withPart(async (out, { a, b }) => {
    const text = await Deno.readTextFile(b);
    await Deno.remove(b);
    await Deno.writeFile(a, Uint8Array.of(0, 0, 0));
    const checked = problems(out, 10_000);
    setTimeout(() => Deno.writeTextFileSync(b, text.slice(0, 2)), 50);
    setTimeout(() => Deno.writeFileSync(a, Uint8Array.of(1, 2, 3)), 100);
    setTimeout(() => Deno.writeTextFileSync(b, text), 150);
    assertEquals(await checked, []);
  }));

Deno.test("a file may be in one of several places", () =>
  withPart(async (out, { a }) => {
    const record = readPartRecord(out, part)!;
    const { folder } = partPaths(out, part);
    const moved = join(out, "a.bin");
    await Deno.rename(a, moved);
    const places = ({ name }: { name: string }) => [join(folder, name), join(out, name)];
    const { problems, found } = await checkPartFiles(record, places, { patience: 0 });
    assertEquals(problems, []);
    assertEquals(found.get("a.bin"), moved);
    // Only lengths are compared where nothing is read.
    await Deno.writeFile(moved, Uint8Array.of(9, 9, 9));
    const short = await checkPartFiles(record, places, { patience: 0, read: false });
    assertEquals(short.problems, []);
    const read = await checkPartFiles(record, places, { patience: 0 });
    assertEquals(read.problems.map(({ path }) => path), [moved]);
  }));

Deno.test("what is no record of the part is refused", () =>
  withPart(async (out, { done }) => {
    const record = JSON.parse(await Deno.readTextFile(done));
    const wrong: [change: Record<string, unknown>, message: string][] = [
      [{ format: "other" }, `format and version are ["other",1]`],
      [{ version: 2 }, `format and version are ["saewing part",2]`],
      [{ command: 3 }, "command, options or result are missing"],
      [{ result: null }, "command, options or result are missing"],
      [{ part: { index: 1, count: 3 } }, `it is of part {"index":1,"count":3}`],
      [{ files: {} }, "files is not a list"],
      [{ files: [{ name: "../a", bytes: 1, sha256: "0".repeat(64) }] }, "files[0] has no name"],
      [{ files: [{ name: "/a", bytes: 1, sha256: "0".repeat(64) }] }, "files[0] has no name"],
      [{ files: [{ name: "a", bytes: -1, sha256: "0".repeat(64) }] }, "files[0] has no name"],
      [{ files: [{ name: "a", bytes: 1, sha256: "0" }] }, "files[0] has no name"],
    ];
    for (const [change, message] of wrong) {
      await Deno.writeTextFile(done, JSON.stringify({ ...record, ...change }));
      const error = assertThrows(() => readPartRecord(out, part), Error, message);
      assertEquals(error.message.includes("Remove it and run the part again"), true);
    }
    await Deno.writeTextFile(done, "[1]");
    assertThrows(() => readPartRecord(out, part), Error, "it is not a JSON object");
    await Deno.writeTextFile(done, "{");
    assertThrows(() => readPartRecord(out, part), Error, "is not JSON");
    await assertRejects(
      () => writePartRecord(out, { ...about, names: ["none.bin"] }),
      Deno.errors.NotFound,
    );
  }));

Deno.test("a process that lost its part while it read the files back writes no record", () =>
  withPart(async (out, { done }) => {
    await Deno.remove(done);
    const beforeRename = () => Promise.reject(new Error("taken over"));
    const names = ["a.bin", "x/b.bin"];
    await assertRejects(
      () => writePartRecord(out, { ...about, names, beforeRename }),
      Error,
      "taken over",
    );
    assertEquals(readPartRecord(out, part), undefined);
  }));
