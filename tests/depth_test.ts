import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { asked, combinations, someOf } from "./depth.ts";

/** Runs with all cases asked for, or with few. */
function withDepth<T>(full: boolean, body: () => T): T {
  const before = asked.full;
  asked.full = full;
  try {
    return body();
  } finally {
    asked.full = before;
  }
}

const list = (most: number) => fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: most });

Deno.test("combinations: few ones have each value that is allowed, all are the whole product", () => {
  fc.assert(
    fc.property(list(6), list(5), list(4), fc.integer({ min: 1, max: 3 }), (a, b, c, modulus) => {
      const allowed = (one: { a: number; b: number; c: number }) =>
        (one.a + one.b + one.c) % modulus === 0;
      const product = a.flatMap((a) => b.flatMap((b) => c.map((c) => ({ a, b, c }))));
      const wanted = product.filter(allowed);
      assertEquals(withDepth(true, () => combinations({ a, b, c }, allowed)), wanted);
      const few = withDepth(false, () => combinations({ a, b, c }, allowed));
      for (const key of ["a", "b", "c"] as const) {
        const values = (all: typeof product) => [...new Set(all.map((one) => one[key]))].sort();
        assertEquals(values(few), values(wanted));
      }
      assert(few.every(allowed));
      // Each of them brings a value that was missing.
      assert(few.length <= a.length + b.length + c.length);
      if (modulus === 1) assertEquals(few.length, Math.max(a.length, b.length, c.length));
    }),
  );
});

Deno.test("someOf: so many different ones in their order, all where they are asked for", () => {
  fc.assert(
    fc.property(fc.nat(20), fc.nat(25), (length, few) => {
      const items = Array.from({ length }, (_, at) => at);
      assertEquals(withDepth(true, () => someOf(items, few)), items);
      const some = withDepth(false, () => someOf(items, few));
      assertEquals(some.length, Math.min(few, length));
      assert(some.every((one, at) => at === 0 || one > some[at - 1]));
    }),
  );
});

Deno.test("tests/heavy runs all cases of each file that draws some", async () => {
  const folder = new URL("./", import.meta.url);
  const listed: string[] = [];
  for await (const { name } of Deno.readDir(new URL("heavy/", folder))) {
    if (!name.startsWith("full_")) continue;
    const text = await Deno.readTextFile(new URL(`heavy/${name}`, folder));
    assert(text.includes("asked.full = true"), name);
    listed.push(...[...text.matchAll(/"(\w+\/\w+_test)"/g)].map(([, name]) => name));
  }
  const drawing: string[] = [];
  for await (const { name: room, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) continue;
    for await (const { name } of Deno.readDir(new URL(`${room}/`, folder))) {
      if (!name.endsWith("_test.ts")) continue;
      const text = await Deno.readTextFile(new URL(`${room}/${name}`, folder));
      if (text.includes(`from "../depth.ts"`)) drawing.push(`${room}/${name.slice(0, -3)}`);
    }
  }
  assert(drawing.length > 20, `${drawing.length} files`);
  assertEquals(listed.sort(), drawing.sort());
});
