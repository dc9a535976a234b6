import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { packTokenRows } from "../../lib/language_model/token_rows.ts";

// One token a character; 0 is BOS.
const model = {
  id: "letters",
  bosToken: 0,
  maxContext: 64,
  tokenize: (text: string) => Int32Array.from(text, (character) => character.codePointAt(0)!),
};

async function rowsOf(
  texts: Iterable<string> | AsyncIterable<string>,
  options: { contextLength: number; prependBos?: boolean; maxRows?: number },
): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const row of packTokenRows(model, texts, options)) rows.push([...row]);
  return rows;
}

Deno.test("rows are the joined documents, cut, with BOS in front or without", async () => {
  const documents = fc.array(fc.string({ minLength: 0, maxLength: 30 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      documents,
      fc.integer({ min: 2, max: 64 }),
      fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      fc.boolean(),
      async (texts, contextLength, maxRows, prependBos) => {
        const filled = texts.filter((text) => text.length > 0);
        const line = filled.flatMap((text, i) => [...(i ? [0] : []), ...model.tokenize(text)]);
        const bos = prependBos ? [0] : [];
        const piece = contextLength - bos.length;
        const expected: number[][] = [];
        for (let at = 0; at + piece <= line.length && !(expected.length === maxRows); at += piece) {
          expected.push([...bos, ...line.slice(at, at + piece)]);
        }
        const options = { contextLength, maxRows, prependBos };
        if (expected.length > 0) {
          assertEquals(await rowsOf(texts, options), expected);
        } else {
          await assertRejects(() => rowsOf(texts, options), Error, "the corpus");
        }
      },
    ),
    { seed: 1 },
  );
});

Deno.test("rows come from a stream, and no more of it is read than they need", async () => {
  let read = 0;
  async function* texts() {
    for (;;) {
      read++;
      yield await Promise.resolve("abcd");
    }
  }
  assertEquals(await rowsOf(texts(), { contextLength: 5, maxRows: 2 }), [
    [0, 97, 98, 99, 100],
    [0, 0, 97, 98, 99],
  ]);
  assertEquals(read, 2);
});

Deno.test("a corpus without a full row says what is there and what is needed", async () => {
  const options = { contextLength: 64 };
  await assertRejects(
    () => rowsOf(["word"], options),
    Error,
    "the corpus has 4 tokens, expected at least 63 for one row of contextLength 64",
  );
  await assertRejects(
    () => rowsOf([], options),
    Error,
    "the corpus has no text: 0 documents with 0 tokens, expected at least 63",
  );
  await assertRejects(() => rowsOf(["", ""], options), Error, "no text: 2 documents");
  await assertRejects(
    () => rowsOf(["word"], { ...options, prependBos: false }),
    Error,
    "the corpus has 4 tokens, expected at least 64 for one row of contextLength 64",
  );
});

Deno.test("lengths and texts that cannot be packed are refused at once", () => {
  const cases: [Iterable<string>, { contextLength: number; maxRows?: number }, string][] = [
    [["a"], { contextLength: 65 }, "contextLength is 65, letters takes at most 64"],
    [["a"], { contextLength: 1 }, "contextLength is 1, expected a whole number from 2"],
    [["a"], { contextLength: 2.5 }, "contextLength is 2.5"],
    [["a"], { contextLength: 8, maxRows: 0 }, "maxRows is 0"],
    ["one text", { contextLength: 8 }, "texts is one string"],
  ];
  for (const [texts, options, message] of cases) {
    assertThrows(() => packTokenRows(model, texts, options), Error, message);
  }
});
