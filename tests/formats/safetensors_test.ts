import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { openSafetensors, writeSafetensors } from "../../lib/formats/safetensors.ts";

Deno.test("safetensors: any shapes come back bit by bit, and the bytes are the format's", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "a.safetensors");
  const bits = fc.integer({ min: 0, max: 0xffffffff });
  const tensor = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 7 }))
    .chain(([rows, cols]) =>
      fc.array(bits, { minLength: rows * cols, maxLength: rows * cols })
        .map((words) => ({
          shape: [rows, cols],
          data: new Float32Array(new Uint32Array(words).buffer),
        }))
    );
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      names,
      fc.array(tensor, { minLength: 4, maxLength: 4 }),
      async (names, all) => {
        const wanted = names.filter((name) => name !== "__metadata__" && name !== "__proto__")
          .map((name, i) => [name, all[i]] as const);
        await writeSafetensors(path, Object.fromEntries(wanted), { note: "é" });
        const plain = parsePlainly(await Deno.readFile(path));
        await using file = await openSafetensors(path);
        assertEquals(file.metadata, { note: "é" });
        assertEquals([...file.tensors.keys()].sort(), wanted.map(([name]) => name).sort());
        for (const [name, { shape, data }] of wanted) {
          assertEquals(file.tensors.get(name)!.shape, shape);
          const read = new Float32Array(data.length);
          await file.read(name, 0, read);
          assertEquals(words(read), words(data));
          assertEquals(plain[name], words(data));
        }
      },
    ),
    { numRuns: 40 },
  );
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).length, 1);
});

Deno.test("safetensors: F16, BF16 and F64 are read as float32, in ranges", async () => {
  const path = await Deno.makeTempFile();
  const half = new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7c00]);
  const brain = new Uint16Array([0x3f80, 0xc000, 0x0001, 0x7f80]);
  const double = new Float64Array([1, -2, 1 / 3, Infinity]);
  await writeRaw(path, {
    half: entry("F16", [2, 2], 0, 8),
    brain: entry("BF16", [4], 8, 16),
    double: entry("F64", [4], 16, 48),
    whole: entry("I32", [1], 48, 52),
  }, [half, brain, double, new Int32Array(1)]);
  await using file = await openSafetensors(path);
  const read = async (name: string, start: number, count: number) => {
    const into = new Float32Array(count);
    await file.read(name, start, into);
    return [...into];
  };
  assertEquals(await read("half", 0, 4), [1, -2, 2 ** -24, Infinity]);
  assertEquals(await read("brain", 0, 4), [1, -2, 2 ** -133, Infinity]);
  assertEquals(await read("double", 1, 3), [-2, Math.fround(1 / 3), Infinity]);
  assertEquals(await read("half", 2, 1), [2 ** -24]);
  await assertRejects(() => read("whole", 0, 1), Error, "whole has dtype I32, expected one of F32");
  await assertRejects(() => read("half", 3, 2), RangeError, "elements 3 to 5 of half");
  await assertRejects(() => read("nothing", 0, 1), Error, "nothing is missing, found half, brain");
});

Deno.test("safetensors: a piece longer than one conversion buffer is read whole", async () => {
  const path = await Deno.makeTempFile();
  const data = new Uint16Array(2 ** 21 + 5).map((_, i) => i % 0x7f80);
  await writeRaw(path, { x: entry("BF16", [data.length], 0, data.byteLength) }, [data]);
  await using file = await openSafetensors(path);
  const into = new Float32Array(data.length - 1);
  await file.read("x", 1, into);
  assert(words(into).every((word, i) => word === data[i + 1] << 16));
});

const good = entry("F32", [2], 0, 8);
const malformed: [what: string, bytes: () => Uint8Array, error: string][] = [
  ["empty", () => new Uint8Array(), "is 0 bytes long, expected at least 8"],
  ["seven bytes", () => new Uint8Array(7), "is 7 bytes long"],
  ["length 2^63", () => lengthOf(2n ** 63n), "header length is 9223372036854775808 bytes"],
  ["length 2^64 - 1", () => lengthOf(2n ** 64n - 1n), "expected at most 100000000"],
  ["length past the end", () => lengthOf(1000n), "but only 16 follow"],
  ["zero length", () => lengthOf(0n), "header in "],
  ["not JSON", () => raw("{", []), "is not JSON"],
  ["not UTF-8", () => raw(new Uint8Array([0x22, 0xff, 0x22]), []), "is not UTF-8"],
  ["an array", () => raw("[]", []), "header is not a JSON object"],
  ["null", () => raw("null", []), "header is not a JSON object"],
  ["deep", () => raw("[".repeat(1e6), []), "is more than 100 levels deep"],
  ["metadata of numbers", () => raw({ __metadata__: { a: 1 } }, []), "__metadata__ is not"],
  ["entry is null", () => raw({ x: null }, []), "x has no entry"],
  ["no shape", () => raw({ x: { dtype: "F32", data_offsets: [0, 8] } }, 8), "x has shape none"],
  ["unknown dtype", () => raw({ x: { ...good, dtype: "F31" } }, 8), 'x has dtype "F31"'],
  ["dtype of Object", () => raw({ x: { ...good, dtype: "toString" } }, 8), "x has dtype"],
  ["negative size", () => raw({ x: { ...good, shape: [-2] } }, 8), "x has shape [-2]"],
  ["fraction", () => raw({ x: { ...good, shape: [1.5] } }, 8), "x has shape [1.5]"],
  ["huge size", () => raw({ x: { ...good, shape: [2 ** 53] } }, 8), "x has shape"],
  [
    "sizes that overflow",
    () => raw({ x: { ...good, shape: [2 ** 31, 2 ** 31, 2 ** 31] } }, 8),
    "x is",
  ],
  ["shape is text", () => raw({ x: { ...good, shape: "2" } }, 8), "x has shape"],
  [
    "other shape",
    () => raw({ x: { ...good, shape: [3] } }, 8),
    "x is F32 [3], 12 bytes, but has 8",
  ],
  ["negative offset", () => raw({ x: entry("F32", [2], -8, 0) }, 8), "x has data_offsets [-8,0]"],
  ["descending", () => raw({ x: entry("F32", [2], 8, 0) }, 8), "x has data_offsets [8, 0]"],
  [
    "past the end",
    () => raw({ x: entry("F32", [2], 8, 16) }, 8),
    "expected ascending and at most 8",
  ],
  ["2^60", () => raw({ x: entry("F32", [2], 0, 2 ** 60) }, 8), "x has data_offsets"],
  ["three offsets", () => raw({ x: { ...good, data_offsets: [0, 4, 8] } }, 8), "two whole numbers"],
  ["overlap", () => raw({ x: good, y: entry("F32", [2], 4, 12) }, 12), "y overlaps x"],
  ["the same bytes", () => raw({ x: good, y: good }, 8), "y overlaps x"],
  [
    "gap",
    () => raw({ x: good, y: entry("F32", [1], 12, 16) }, 16),
    "4 bytes belong to no tensor, before y",
  ],
  ["rest", () => raw({ x: good }, 9), "1 bytes belong to no tensor, after x"],
  ["long name", () => raw({ ["n".repeat(1e5)]: null }, 0), "n… has no entry"],
];

for (const [what, bytes, error] of malformed) {
  Deno.test(`safetensors: refused, ${what}`, async () => {
    const path = await Deno.makeTempFile();
    await Deno.writeFile(path, bytes());
    const found = await assertRejects(() => openSafetensors(path), Error, error);
    assertStringIncludes(found.message, path);
    assert(found.message.length < 600, found.message);
  });
}

Deno.test("safetensors: a file cut anywhere is refused", async () => {
  const path = await Deno.makeTempFile();
  await writeSafetensors(path, {
    a: { shape: [2, 3], data: new Float32Array(6) },
    b: { shape: [5], data: new Float32Array(5) },
  }, { format: "pt" });
  const whole = await Deno.readFile(path);
  for (let length = 0; length < whole.length; length++) {
    await Deno.writeFile(path, whole.subarray(0, length));
    await assertRejects(() => openSafetensors(path), Error, path);
  }
});

Deno.test("safetensors: flipped bytes never crash, and what opens can be read", async () => {
  const path = await Deno.makeTempFile();
  await writeSafetensors(path, { a: { shape: [3], data: new Float32Array(3) } });
  const whole = await Deno.readFile(path);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, value) => {
      const bytes = whole.slice();
      bytes[at] = value;
      await Deno.writeFile(path, bytes);
      try {
        await using file = await openSafetensors(path);
        for (const [name, { dtype, byteLength }] of file.tensors) {
          assert(byteLength <= whole.length);
          if (dtype === "F32") await file.read(name, 0, new Float32Array(byteLength / 4));
        }
      } catch (error) {
        assertStringIncludes((error as Error).message, path);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("safetensors: what cannot be opened or written says why", async () => {
  const folder = await Deno.makeTempDir();
  await assertRejects(() => openSafetensors(join(folder, "none")), Error, "there is no such file");
  await assertRejects(() => openSafetensors(folder), Error, folder);
  const path = join(folder, "x.safetensors");
  const short = { x: { shape: [3], data: [new Float32Array(1), new Float32Array(1)] } };
  await Deno.writeTextFile(path, "old");
  await assertRejects(() => writeSafetensors(path, short), Error, "x has 2 elements, expected 3");
  assertEquals(await Deno.readTextFile(path), "old");
  assertEquals((await Array.fromAsync(Deno.readDir(folder))).length, 1);
  const lost = join(folder, "no", "x.safetensors");
  await assertRejects(() => writeSafetensors(lost, {}), Error, `cannot write ${lost}`);
});

function entry(dtype: string, shape: number[], begin: number, end: number) {
  return { dtype, shape, data_offsets: [begin, end] };
}

function words(data: Float32Array): number[] {
  return [...new Uint32Array(data.buffer, data.byteOffset, data.length)];
}

function lengthOf(length: bigint): Uint8Array {
  const bytes = new Uint8Array(24);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

/** A file of a header (an object, text or bytes) and data (pieces, or a number of zero bytes). */
function raw(header: unknown, data: ArrayBufferView[] | number): Uint8Array {
  const json = header instanceof Uint8Array ? header : new TextEncoder()
    .encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  const pieces = typeof data === "number" ? [new Uint8Array(data)] : data;
  const all = [length, json, ...pieces].map((piece) =>
    new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  );
  const bytes = new Uint8Array(all.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of all) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function writeRaw(path: string, header: unknown, data: ArrayBufferView[]): Promise<void> {
  await Deno.writeFile(path, raw(header, data));
}

/** Reads F32 tensors by the format's description alone: the words of each. */
function parsePlainly(bytes: Uint8Array): Record<string, number[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(0, true);
  assertEquals(view.getUint32(4, true), 0);
  assertEquals(length % 8, 0);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return Object.fromEntries(
    Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, value]) => {
      const { dtype, data_offsets: [begin, end] } = value as ReturnType<typeof entry>;
      assertEquals(dtype, "F32");
      const found: number[] = [];
      for (let i = begin; i < end; i += 4) found.push(view.getUint32(8 + length + i, true));
      return [name, found];
    }),
  );
}
