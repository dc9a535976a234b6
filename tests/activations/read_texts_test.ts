import { assert, assertEquals, assertRejects } from "@std/assert";
import { stringify } from "@std/csv";
import { dirname, join } from "@std/path";
import fc from "fast-check";
import { readDocuments, readTexts } from "../../lib/activations/read_texts.ts";

const folder = await Deno.makeTempDir();

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await Deno.mkdir(dirname(path), { recursive: true });
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.writeFile(path, bytes);
  return path;
}

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const read = (path: string | string[], options?: { field?: string }) =>
  Array.fromAsync(readTexts(path, options));

const refused = (path: string | string[], message: string, options?: { field?: string }) =>
  assertRejects(() => read(path, options), Error, message);

Deno.test("readTexts: any texts come back from every kind of file", async () => {
  const texts = fc.array(
    fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => text.replaceAll("\r", "")),
    { minLength: 1, maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(texts, async (texts) => {
      const lines = texts.map((text) => JSON.stringify({ id: 1, text })).join("\n");
      const rows = stringify(texts.map((text, id) => ({ id, text })), { columns: ["id", "text"] });
      assertEquals(await read(await write("p/a.jsonl", lines)), texts);
      assertEquals(await read(await write("p/a.jsonl.gz", await gzip(lines + "\r\n\n"))), texts);
      assertEquals(await read(await write("p/a.csv", rows)), texts);
      assertEquals(await read(await write("p/a.csv.gz", await gzip(rows))), texts);
      const text = texts.join("\n").replace(/^\ufeff/, "");
      assertEquals(await read(await write("p/a.txt", text)), [text]);
      assertEquals(await read(await write("p/a.txt.gz", await gzip(text))), [text]);
    }),
    { numRuns: 30 },
  );
});

Deno.test("readTexts: folders, globs, lists, files without extension", async () => {
  await write("f/b.txt", "b");
  await write("f/a/z.jsonl", '{"text":"z1"}\n{"text":"z2"}\n');
  await write("f/a/c.csv", "text\r\nc\r\n");
  await write("f/a/readme.md", "no");
  const plain = await write("f/plain", "plain");
  const brackets = await write("f/[x].txt", "x");
  assertEquals(await read(join(folder, "f")), ["x", "c", "z1", "z2", "b"]);
  assertEquals(await read(join(folder, "f/**/*.{jsonl,csv}")), ["c", "z1", "z2"]);
  assertEquals(await read([join(folder, "f/*.txt"), plain, join(folder, "f/b.txt")]), [
    "x",
    "b",
    "plain",
  ]);
  assertEquals(await read(brackets), ["x"]);
});

Deno.test("readTexts: another field or column", async () => {
  const lines = await write("body.jsonl", '{"body":"one"}');
  const rows = await write("body.csv", "id,body\n1,one\n");
  assertEquals(await read([lines, rows], { field: "body" }), ["one", "one"]);
  await refused(lines, `line 1 of ${lines} has no field "text", found body`);
  await refused(rows, `${rows} has no column "text", found id, body`);
});

Deno.test("readTexts: long lines and characters cut by a chunk are read whole", async () => {
  const long = "é€😀".repeat(100_000);
  const path = await write("long.jsonl", `{"text":"${long}"}\n{"text":"b"}`);
  assertEquals(await read(path), [long, "b"]);
  const rows = await write("long.csv", `text\n"${long}"\nb\n`);
  assertEquals(await read(rows), [long, "b"]);
});

Deno.test("readTexts: what cannot be read says file and line", async () => {
  await refused([], "no path is given");
  await refused(join(folder, "none.txt"), "there is no such file");
  await refused(join(folder, "*.none"), "the glob matches no texts among 0 files");
  await Deno.mkdir(join(folder, "hollow"));
  await refused(join(folder, "hollow"), "the folder holds no texts among 0 files");
  await refused(await write("x.pdf", ""), "x.pdf: expected .txt, .jsonl or .csv");

  const bad = await write("bad.jsonl", '{"text":"a"}\n\n{"text":\n');
  await refused(bad, `line 3 of ${bad} is not JSON`);
  await refused(await write("list.jsonl", "[1]"), "is not a JSON object");
  await refused(
    await write("n.jsonl", '{"text":7}'),
    'field "text" is a number, expected a string',
  );
  await refused(await write("ragged.csv", "id,text\n1\n"), "ragged.csv is not CSV");
  await refused(await write("open.csv", 'text\n"a\n'), "open.csv is not CSV");

  const latin = await write("latin.txt", new Uint8Array([0x63, 0x61, 0x66, 0xe9]));
  await refused(latin, `${latin} is not UTF-8`);
  await refused(await write("cut.txt", new Uint8Array([0x61, 0xe2, 0x82])), "is not UTF-8");
  const whole = await gzip("word ".repeat(50_000));
  for (const length of [0, 5, 30, whole.length - 5]) {
    await refused(
      await write("cut.txt.gz", whole.slice(0, length)),
      "not one complete gzip stream",
    );
  }
  await refused(await write("plain.txt.gz", "not compressed"), "not one complete gzip stream");
});

Deno.test({
  name: "readTexts: leaving early closes the file",
  sanitizeResources: true,
  sanitizeOps: true,
  async fn() {
    const line = '{"text":"a"}\n'.repeat(100_000);
    const plain = await write("many.jsonl", line);
    const packed = await write("many.jsonl.gz", await gzip(line));
    const rows = await write("many.csv", "text\n" + "a\n".repeat(100_000));
    for (const path of [plain, packed, rows]) {
      let count = 0;
      for await (const text of readTexts(path)) {
        assert(text === "a");
        if (++count === 10) break;
      }
      assertEquals(count, 10);
    }
    // A pipe cancels its source after the read that is under way.
    await new Promise((resolve) => setTimeout(resolve, 100));
  },
});

Deno.test("readDocuments: the documents of readTexts, .txt files in parts", async () => {
  const long = "ä word and 漢 more\n".repeat(30_000);
  await write("d/a.txt", long);
  await write("d/b.jsonl", '{"text":"b1"}\n{"text":"b2"}\n');
  await write("d/c.txt.gz", await gzip(long));
  const documents: string[] = [];
  for await (const document of readDocuments(join(folder, "d"))) {
    if (typeof document === "string") documents.push(document);
    else {
      const parts = await Array.fromAsync(document);
      assert(parts.length > 1);
      documents.push(parts.join(""));
    }
  }
  assertEquals(documents, [long, "b1", "b2", long]);
  assertEquals(documents, await read(join(folder, "d")));
});

Deno.test("lines and rows that are too long for a document are named", async () => {
  const long = "x".repeat(65 * 2 ** 20);
  const limit = "is longer than 67108864 characters: expected one document per line";
  const jsonl = await write("long/a.jsonl", `{"text":"a"}\n{"text":"${long}"}\n`);
  await refused(jsonl, `line 2 of ${jsonl} ${limit}`);
  const csv = await write("long/a.csv", `text\na\n"${long}`);
  await refused(csv, `row 3 of ${csv} ${limit}`);
});
