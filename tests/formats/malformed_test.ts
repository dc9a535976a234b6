import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { errorOf } from "./malformed/error_of.ts";
import { MALFORMED, tableOf } from "./malformed/malformed.ts";

// What a refusal may take beside a few times the file: buffers of zip.js and of the readers.
const spareBytes = 16 * 2 ** 20;

const table = fromFileUrl(new URL("malformed/malformed.txt", import.meta.url));
const wanted = (await Deno.readTextFile(table)).trimEnd().split("\n").slice(2);

Deno.test("malformed files: the table has them all", () => {
  assertEquals(wanted.length, MALFORMED.length);
  assert(MALFORMED.length > 100);
});

MALFORMED.forEach((one, i) => {
  const { format, what } = one;
  Deno.test(`malformed ${format}: ${what}`, async () => {
    const { message, allocated, fileSize } = await errorOf(one);
    // The exact text, which names the file.
    assertEquals(tableOf([{ format, what, error: message }]).trimEnd().split("\n")[2], wanted[i]);
    assert(message.includes("FOLDER"), message);
    assert(message.length < 700, `${message.length} characters`);
    assert(allocated <= 4 * fileSize + spareBytes, `${allocated} bytes for a file of ${fileSize}`);
  });
});
