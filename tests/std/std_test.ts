import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { CsvParseStream, parse, stringify } from "@std/csv";
import { basename, extname, fromFileUrl, join, toFileUrl } from "@std/path";

Deno.test("assertions pass and fail as they should", async () => {
  assertEquals({ a: [1, NaN], b: new Map([[1, { c: 2 }]]) }, {
    a: [1, NaN],
    b: new Map([[1, { c: 2 }]]),
  });
  assertEquals(new Float32Array([1, NaN]), new Float32Array([1, NaN]));
  assertNotEquals<unknown>({ a: undefined }, {});
  assertNotEquals(new Set([[1]]), new Set([[2]]));
  assertAlmostEquals(1, 1 + 1e-9);
  const error = assertThrows(() => assertEquals([1, 2], [1, 3]), AssertionError, "not equal");
  // Holes and own keys of arrays count; what is long and equal is compared element by element.
  assertEquals([NaN, 0, "a"], [NaN, -0, "a"]);
  assertThrows(() => assertEquals([undefined, 1], Array(2).fill(1, 1)), AssertionError);
  assertThrows(() => assertEquals([1], Object.assign([1], { more: 1 })), AssertionError);
  assertThrows(() => assertEquals([1, [2]], [1, [3]]), AssertionError);
  assertStringIncludes(error.message, "[ 1, 3 ]");
  assertThrows(() => assertThrows(() => {}), AssertionError, "to throw");
  assertThrows(() => assertAlmostEquals(1, 1.1, 0.05), AssertionError, "within 0.05");
  await assertRejects(() => Promise.reject(new RangeError("far off")), RangeError, "far");
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError);
  await assertRejects(
    () => assertRejects(() => Promise.reject(new Error("x")), RangeError),
    AssertionError,
    "RangeError",
  );
});

Deno.test("parseArgs reads options, aliases, defaults and what follows --", () => {
  const args = parseArgs(
    ["train", "-k", "32", "--name=a=b", "--size", "0x10", "--no-color", "--", "--raw", "7"],
    {
      string: ["name"],
      boolean: ["color", "json"],
      negatable: ["color"],
      alias: { k: "latents" },
      default: { color: true, seed: 1 },
      "--": true,
    },
  );
  assertEquals({ ...args }, {
    _: ["train"],
    k: 32,
    latents: 32,
    name: "a=b",
    size: 16,
    color: false,
    json: false,
    seed: 1,
    "--": ["--raw", "7"],
  });
});

Deno.test("parseArgs collects, stops early, reports unknown arguments", () => {
  const unknown: string[] = [];
  const args = parseArgs(["--file", "a", "--file", "1", "--what", "-v", "run", "--file", "x"], {
    string: ["file"],
    collect: ["file"],
    boolean: ["v"],
    stopEarly: true,
    unknown: (arg) => {
      if (arg.startsWith("-")) unknown.push(arg);
      return !arg.startsWith("--");
    },
  });
  const negative = parseArgs(["--rate", "-0.5", "--shift=-2", "-n5", "-xyz", "last"]);
  assertEquals({ ...negative }, {
    _: [],
    rate: true,
    "0": 0.5,
    shift: -2,
    n: 5,
    x: true,
    y: true,
    z: "last",
  });
  const files: string[] = args.file;
  const verbose: boolean = args.v;
  assertEquals(files, ["a", "1"]);
  assert(verbose);
  assertEquals(unknown, ["--what"]);
  assertEquals(args._, ["run", "--file", "x"]);
});

Deno.test("parseArgs leaves the prototype alone", () => {
  parseArgs(["--__proto__.polluted", "yes"]);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("csv: what is written is read back", async () => {
  const rows = [
    { id: "1", text: 'said "no",\nthen left' },
    { id: "2", text: "" },
    { id: "3", text: " spaced " },
  ];
  const text = stringify(rows, { columns: ["id", "text"] });
  assertMatch(text, /^id,text\r\n1,"said/);
  assertEquals(parse(text, { skipFirstRow: true }), rows);
  assertEquals(parse("a;b\n\n1;2", { separator: ";" }), [["a", "b"], ["1", "2"]]);
  assertThrows(() => parse('a,"b'), SyntaxError, "line 1");
  assertThrows(() => parse('a,b"c'), SyntaxError, "bare");
  assertThrows(() => parse("a,b\n1", { skipFirstRow: true }), SyntaxError, "fields");

  for (const size of [1, 2, 3, 7, 100]) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    const stream = ReadableStream.from(chunks)
      .pipeThrough(new CsvParseStream({ skipFirstRow: true }));
    assertEquals(await Array.fromAsync(stream), rows);
  }
});

Deno.test("path joins, splits, converts", () => {
  assertEquals(basename(join("a", "..", "b", "c.txt.gz"), ".gz"), "c.txt");
  assertEquals(extname("x/y.jsonl"), ".jsonl");
  const here = fromFileUrl(import.meta.url);
  assertEquals(toFileUrl(here).href, import.meta.url);
});
