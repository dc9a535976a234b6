import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import fc from "fast-check";
import { parseNpyHeader } from "../../lib/formats/npy_header.ts";
import { openNpz } from "../../lib/formats/npz.ts";
import { readMatrix } from "../../lib/formats/tensor_file.ts";
import { constants, deflateRawSync } from "node:zlib";
import { join as joinBytes, makeNpy, makeZip } from "./zip_helper.ts";

const fixtures = fromFileUrl(new URL("../fixtures/npz", import.meta.url));

async function write(bytes: Uint8Array): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".npz" });
  await Deno.writeFile(path, bytes);
  return path;
}

for (const name of ["stored", "deflated", "streamed"]) {
  Deno.test(`npz: numpy's own archive, ${name}`, async () => {
    await using file = await openNpz(join(fixtures, `${name}.npz`));
    const read = async (name: string, start: number, count: number) => {
      const into = new Float32Array(count);
      await file.read(name, start, into);
      return [...into];
    };
    const shapes = [...file.tensors].map(([name, { dtype, shape, columnMajor }]) =>
      `${name} ${dtype} ${shape} ${columnMajor}`
    );
    assertEquals(shapes, [
      "W_enc <f4 3,4 false",
      "W_dec <f4 4,3 true",
      "b_enc <f2 4 false",
      "b_dec >f8 3 false",
      "threshold >f4 4 false",
    ]);
    const counting = Array.from({ length: 12 }, (_, i) => i);
    assertEquals(await read("W_enc", 0, 12), counting.map((i) => i / 8));
    // In pieces, then from the begin again, then from the middle.
    assertEquals([await read("W_enc", 0, 5), await read("W_enc", 5, 7)].flat()[11], 11 / 8);
    assertEquals(await read("W_enc", 10, 2), [10 / 8, 11 / 8]);
    assertEquals(await read("W_enc", 1, 2), [1 / 8, 2 / 8]);
    assertEquals(await read("b_enc", 0, 4), [1, -2, 0.5, 4]);
    assertEquals(await read("b_dec", 0, 3), [Math.fround(1 / 3), -1, 2]);
    assertEquals(await read("threshold", 2, 2), [2, 4]);
    const rows = counting.map((i) => i / 4);
    assertEquals([...await readMatrix(file, "W_dec", false)], rows);
    const columns = counting.map((i) => (i % 4 * 3 + Math.floor(i / 4)) / 4);
    assertEquals([...await readMatrix(file, "W_dec", true)], columns);
    await assertRejects(() => read("b_dec", 2, 2), RangeError, "elements 2 to 4 of b_dec");
    await assertRejects(() => read("b", 0, 1), Error, "b is missing, found W_enc, W_dec");
  });
}

Deno.test("npz: any float array comes back, in pieces of any length", async () => {
  const dtypes = { "<f4": Float32Array, "<f2": Float16Array, "<f8": Float64Array };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(dtypes) as (keyof typeof dtypes)[]),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 40 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 50 }),
      async (dtype, rows, cols, deflated, step) => {
        const values = Array.from({ length: rows * cols }, (_, i) => i / 16 - 3);
        const header =
          `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
        const head = makeNpy([], [], { header, version: rows % 2 === 0 ? 1 : 2 });
        const body = new Uint8Array(new dtypes[dtype](values).buffer);
        const data = new Uint8Array([...head, ...body]);
        const path = await write(
          await makeZip([{ name: "x.npy", data, method: deflated ? 8 : 0 }]),
        );
        await using file = await openNpz(path);
        const found: number[] = [];
        for (let at = 0; at < values.length; at += step) {
          const piece = new Float32Array(Math.min(step, values.length - at));
          await file.read("x", at, piece);
          found.push(...piece);
        }
        assertEquals(found, values);
        await Deno.remove(path);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("npz: a large array is read in ranges, its header and its checksum are checked", async () => {
  const count = 500_000;
  const values = Float32Array.from({ length: count }, (_, i) => i);
  const entry = { name: "x.npy", data: makeNpy([count], values) };
  const read = async (lies: Partial<Parameters<typeof makeZip>[0][0]>) => {
    const small = { name: "y.npy", data: makeNpy([1], [7]) };
    const path = await write(
      await makeZip([small, { ...entry, ...lies }, { ...small, name: "z.npy" }]),
    );
    await using file = await openNpz(path);
    const into = new Float32Array(count);
    for (let at = 0; at < count; at += 300_001) {
      await file.read("x", at, into.subarray(at, at + 300_001));
    }
    assertEquals(into, values);
    const end = new Float32Array(2);
    await file.read("x", count - 2, end);
    assertEquals([...end], [count - 2, count - 1]);
  };
  await read({});
  await assertRejects(() => read({ crc: 1 }), Error, "checksum is wrong");
  await assertRejects(() => read({ localName: "y.npy" }), Error, "do not agree");
  await assertRejects(() => read({ localSize: 9 }), Error, "do not agree");
});

Deno.test("npz: an archive cut anywhere, or with any byte changed, is refused or read right", async () => {
  const entries = [
    { name: "a.npy", data: makeNpy([2], [1, 2]) },
    { name: "b.npy", data: makeNpy([3], [3, 4, 5]), method: 8 },
  ];
  const whole = await makeZip(entries);
  const readAll = async (bytes: Uint8Array): Promise<number[]> => {
    const path = await write(bytes);
    try {
      await using file = await openNpz(path);
      const [a, b] = [new Float32Array(2), new Float32Array(3)];
      await file.read("a", 0, a);
      await file.read("b", 0, b);
      return [...a, ...b];
    } catch (error) {
      assert((error as Error).message.includes(path), (error as Error).message);
      return [];
    } finally {
      await Deno.remove(path);
    }
  };
  assertEquals(await readAll(whole), [1, 2, 3, 4, 5]);
  for (let length = 0; length < whole.length; length += 3) {
    assertEquals(await readAll(whole.subarray(0, length)), []);
  }
  let refused = 0;
  for (let at = 0; at < whole.length; at += 2) {
    const bytes = whole.slice();
    bytes[at] ^= 1 << (at % 8);
    const read = await readAll(bytes);
    if (read.length === 0) refused++;
    else assertEquals(read, [1, 2, 3, 4, 5], `byte ${at}`);
  }
  // What may change: versions, dates, attributes.
  assert(refused > whole.length / 2 * 0.8, `${refused} of ${whole.length / 2}`);
});

Deno.test("npy: headers as numpy writes them, and others", () => {
  const parse = (text: string) => parseNpyHeader("x", text);
  const shape = (text: string) =>
    parse(`{'descr': '<f4', 'fortran_order': False, 'shape': ${text}, }`).shape;
  assertEquals(shape("()"), []);
  assertEquals(shape("(3,)"), [3]);
  assertEquals(shape("( 3 , 4 )"), [3, 4]);
  assertEquals(shape("(3, 4,)"), [3, 4]);
  const other = parse(`  {"shape":(2,2),"fortran_order":True,"descr":">f8"}   \n`);
  assertEquals(other, {
    ...{ dtype: ">f8", shape: [2, 2], columnMajor: true },
    ...{ itemSize: 8, littleEndian: false, dataBytes: 32 },
  });
  const refused: [text: string, error: string][] = [
    ["", "has header"],
    ["{}", "expected {'descr': …"],
    ["{'descr': '<f4', 'fortran_order': False}", "has header"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}", "has header"],
    ["{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", "has header"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': ()} + x", "has header"],
    ["{'descr': open('x'), 'fortran_order': False, 'shape': ()}", "has header"],
    ["{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "has fortran_order 0"],
    ["{'descr': '<f4\", 'fortran_order': False, 'shape': ()}", "has header"],
    ["{'descr': '<i4', 'fortran_order': False, 'shape': ()}", "has descr '<i4', expected floats"],
    ["{'descr': '=f4', 'fortran_order': False, 'shape': ()}", "has descr '=f4'"],
    ["{'descr': '|O', 'fortran_order': False, 'shape': ()}", "holds Python objects"],
    ["{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "has descr [('a'"],
  ];
  for (const [text, error] of refused) assertThrows(() => parse(text), Error, error);
  const shapes = ["3", "(3)", "(,)", "(3, -1)", "(3.0,)", "(3, , 4)", "(1e3,)", "(0x3,)", "(a,)"];
  for (const text of shapes) assertThrows(() => shape(text), Error, "x has", text);
  assertThrows(() => shape(`(${2 ** 32}, ${2 ** 32})`), Error, "more bytes than a file can hold");
});

Deno.test("npz: a bomb that claims a small size ends within its first pieces", async () => {
  // 2 GiB of zeros: one block, made once and repeated, and an empty last one.
  const block = deflateRawSync(new Uint8Array(2 ** 20), { finishFlush: constants.Z_FULL_FLUSH });
  const body = joinBytes([...Array(2048).fill(block), Uint8Array.of(3, 0)]);
  const claimed = makeNpy([2, 2], [1, 2, 3, 4]);
  const folder = await Deno.makeTempDir();
  const path = `${folder}/params.npz`;
  await Deno.writeFile(
    path,
    await makeZip([{ name: "W_enc.npy", data: claimed, method: 8, body }]),
  );
  const [before, start] = [Deno.memoryUsage().rss, performance.now()];
  await assertRejects(
    async () => {
      await using file = await openNpz(path);
      await file.read("W_enc", 0, new Float32Array(4));
    },
    Error,
    `it has more than the ${claimed.length} bytes that the archive says`,
  );
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < 300e6, `${grown} bytes more`);
  assert(performance.now() - start < 5000);
  await Deno.remove(folder, { recursive: true });
});
