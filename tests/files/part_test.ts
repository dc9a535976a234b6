import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { allParts, countParts, parsePart, partPaths, stretchOf } from "../../lib/files/part.ts";
import { withFolder } from "../cli/cli_helper.ts";

Deno.test("a part is read from i/n, and nothing else", () => {
  assertEquals(parsePart("3/8"), { index: 3, count: 8 });
  assertEquals(parsePart("1/1"), { index: 1, count: 1 });
  for (const text of ["", "3", "0/8", "9/8", "1/0", "-1/8", "1.5/8", "3/8/2", " 3/8", "1/100000"]) {
    assertThrows(
      () => parsePart(text),
      RangeError,
      `a part is ${JSON.stringify(text)}, expected i/n with whole numbers, i from 1 to n`,
    );
  }
});

Deno.test("stretches of parts are all items in their order, nearly equal in length", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 50 }), (items, count) => {
      const all = allParts(count).map((part) => stretchOf(items, part));
      assertEquals(all[0].from, 0);
      assertEquals(all.at(-1)!.to, items);
      const lengths = all.map(({ from, to }) => to - from);
      assertEquals(all.slice(1).every(({ from }, i) => from === all[i].to), true);
      assertEquals(Math.max(...lengths) - Math.min(...lengths) <= 1, true);
    }),
  );
});

Deno.test("the number of parts is in the names of their files", () =>
  withFolder(async (out) => {
    assertEquals(await countParts(out), undefined);
    await Deno.mkdir(join(out, "parts"));
    assertEquals(await countParts(out), undefined);
    const part = { index: 3, count: 8 };
    await Deno.writeTextFile(partPaths(out, part).log, "");
    await Deno.writeTextFile(join(out, "parts", "notes.txt"), "");
    assertEquals(await countParts(out), 8);
    await Deno.mkdir(partPaths(out, { index: 2, count: 4 }).folder);
    await assertRejects(
      () => countParts(out),
      Error,
      "holds parts of 4 and of 8 (2-of-4, 3-of-8.log), expected one division",
    );
  }));
