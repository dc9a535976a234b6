import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { textPieces } from "../../lib/language_model/text_pieces.ts";
import { packTokenRows } from "../../lib/language_model/token_rows.ts";
import { openTokenizer } from "../../lib/language_model/tokenizer.ts";
import { MODEL, ROOT } from "../cli/cli_helper.ts";

const tokenizer = (await openTokenizer(MODEL))!;
// Words of ordinary length: where none ends in reach of a cut, the tokens beside it can change.
const english = (await Deno.readTextFile(join(ROOT, "LICENSE"))).repeat(12);

/** As SentencePiece does: a mark before each text and in place of each space, and no other rule. */
const marked = (text: string) =>
  Int32Array.from(("_" + text.replaceAll(" ", "_")).match(/_[^_]{0,3}|[^_]{1,3}/g)!, (token) => {
    let hash = 0;
    for (const char of token) hash = Math.imul(hash, 31) + char.codePointAt(0)! | 0;
    return hash;
  });

async function* parts(text: string, length: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += length) yield text.slice(at, at + length);
}

Deno.test("a long document gives the tokens of the whole one, piece by piece", async () => {
  for (const tokenize of [tokenizer.tokenize, marked]) {
    const whole = [...tokenize(english)];
    for (const longest of [600, 1000, 5000]) {
      for (const document of [english, parts(english, 37), parts(english, 7000)]) {
        const pieces = await Array.fromAsync(textPieces(document, tokenize, longest));
        assert(pieces.length >= english.length / longest);
        assert(pieces.every((piece) => piece.length <= longest));
        assertEquals(pieces.flatMap((piece) => [...tokenize(piece)]), whole);
      }
    }
  }
});

Deno.test("texts without spaces are cut too, without a loss and not inside a character", async () => {
  for (
    const text of [
      "a".repeat(5000),
      "😀é漢字".repeat(900),
      "\n\n\n".repeat(900),
      "x \n".repeat(900),
    ]
  ) {
    const pieces = await Array.fromAsync(textPieces(text, tokenizer.tokenize, 1000));
    assert(pieces.length > text.length / 1001 && pieces.every((piece) => piece.length <= 1000));
    assertEquals(tokenizer.decode(pieces.flatMap((piece) => [...tokenizer.tokenize(piece)])), text);
  }
});

Deno.test("documents of up to 2^20 characters are tokenized at once, as they always were", async () => {
  const lengths: number[] = [];
  const model = {
    ...{ id: "letters", bosToken: 0, maxContext: 64 },
    tokenize(text: string) {
      lengths.push(text.length);
      return new Int32Array(text.length).fill(1);
    },
  };
  const text = "word ".repeat(2 ** 18).slice(0, 2 ** 20);
  await Array.fromAsync(packTokenRows(model, [text, parts(text, 2 ** 16)], { contextLength: 64 }));
  assertEquals(lengths, [2 ** 20, 2 ** 20]);
  // Pieces of one document have no BOS between them.
  const rows = await Array.fromAsync(
    packTokenRows(model, [parts(text + text, 2 ** 16)], { contextLength: 64 }),
  );
  assert(Math.max(...lengths) === 2 ** 20 && lengths.length > 4);
  assert(rows.every((row) => row.subarray(1).every((token) => token === 1)));
});
