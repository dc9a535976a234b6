// Files that torch.save wrote (tests/fixtures/torch/make.py).
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import fc from "fast-check";
import { readPickle } from "../../lib/formats/pickle.ts";
import { copyStrided, overlaps, spanOf } from "../../lib/formats/strided_elements.ts";
import { readMatrix } from "../../lib/formats/tensor_file.ts";
import { openTorch, type TorchFile } from "../../lib/formats/torch_file.ts";
import { withFolder } from "../cli/cli_helper.ts";
import { makeZip } from "./zip_helper.ts";

const fixture = (name: string) =>
  fromFileUrl(new URL(`../fixtures/torch/${name}.pt`, import.meta.url));
const FILES = ["zip", "legacy", "protocol4", "protocol5"];

async function all(file: TorchFile, name: string): Promise<number[]> {
  const { shape, columnMajor } = file.tensors.get(name)!;
  if (shape.length === 2) {
    const data = await readMatrix(file, name, false);
    assert(columnMajor || data.length === shape[0] * shape[1]);
    return [...data];
  }
  const data = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  await file.read(name, 0, data);
  return [...data];
}

const base = Array.from({ length: 24 }, (_, i) => i);
const at = (rows: number[], cols: number[]) => rows.flatMap((r) => cols.map((c) => r * 6 + c));
const transposed = (rows: number[], cols: number[]) =>
  cols.flatMap((c) => rows.map((r) => r * 6 + c));
const wanted: Record<string, number[]> = {
  float32: base,
  float64: base.map((value) => Math.fround(value / 3)),
  float16: base,
  bfloat16: base,
  int64: [1, -2, 2 ** 40],
  int32: [1, -2, 3],
  int16: [1, -2, 3],
  int8: [1, -2, 3],
  uint8: [1, 2, 255],
  bool: [1, 0, 1],
  transposed: transposed([0, 1, 2, 3], [0, 1, 2, 3, 4, 5]),
  rows: at([1, 2], [0, 1, 2, 3, 4, 5]),
  columns: at([0, 1, 2, 3], [2, 3, 4]),
  "transposed columns": transposed([0, 1, 2, 3], [2, 3, 4]),
  element: [15],
  parameter: [0, 1, 2, 3, 4, 5],
  column: [2, 8, 14, 20],
  "every second": at([0, 2], [1, 3, 5]),
  "every second, transposed": transposed([0, 2], [1, 3, 5]),
  cube: [0, 1, 2, 3, 4, 5, 6, 7],
  permuted: [0, 2, 4, 6, 1, 3, 5, 7],
  empty: [],
};

for (const name of FILES) {
  Deno.test(`torch.save: every type, strides and offsets, ${name}`, async () => {
    await using file = await openTorch(fixture(name));
    assertEquals([...file.tensors.keys()].sort(), Object.keys(wanted).sort());
    for (const [tensor, values] of Object.entries(wanted)) {
      assertEquals(await all(file, tensor), values, tensor);
      // Again, and in parts.
      if (values.length < 5) continue;
      const part = new Float32Array(3);
      await file.read(tensor, 1, part);
      await file.read(tensor, 0, part.subarray(0, 1));
    }
    assertEquals([...file.values], [["k", 32], ["name", "résumé"], ["flag", true]]);
    assertEquals(file.tensors.get("bfloat16")!.dtype, "BF16");
    await assertRejects(
      () => file.read("other", 0, new Float32Array(1)),
      Error,
      "other is missing, found float32",
    );
    await assertRejects(
      () => file.read("rows", 10, new Float32Array(3)),
      RangeError,
      "elements 10 to 13 of rows were asked for, it has 12",
    );
  });
}

Deno.test("torch.save: parts of a view are read where they lie", async () => {
  await using file = await openTorch(fixture("zip"));
  const part = new Float32Array(5);
  await file.read("columns", 2, part);
  assertEquals([...part], [4, 8, 9, 10, 14]);
  // A tensor in Fortran order is given column by column, as its file has it.
  await file.read("transposed columns", 2, part);
  assertEquals([...part], [4, 8, 9, 10, 14]);
  await file.read("columns", 0, part);
  assertEquals([...part], [2, 3, 4, 8, 9]);
  // By strides: forwards, back, and with other tensors in between.
  await file.read("every second", 1, part.subarray(0, 3));
  await file.read("column", 1, part.subarray(3));
  assertEquals([...part], [3, 5, 13, 8, 14]);
  await file.read("every second", 0, part.subarray(0, 2));
  assertEquals([...part], [1, 3, 13, 8, 14]);
});

Deno.test("strided views: copied as index arithmetic has it, twice-held elements found", () => {
  const whole = { minLength: 0 };
  const view = fc.array(fc.record({ extent: fc.nat(3), gap: fc.nat(2) }), { maxLength: 4 })
    .chain((axes) =>
      fc.record({ axes: fc.constant(axes), order: fc.shuffledSubarray([...axes.keys()], whole) })
    );
  fc.assert(fc.property(view, ({ axes, order }) => {
    const shape = axes.map(({ extent }) => extent);
    // Strides of a tensor whose axes lie in some order, with gaps: slices of a transposed one.
    const strides = shape.map(() => 1);
    let stride = 1;
    for (const i of order) {
      stride += axes[i].gap;
      strides[i] = stride;
      stride *= Math.max(1, shape[i]);
    }
    for (const i of axes.keys()) {
      if (!order.includes(i)) shape[i] = Math.min(shape[i], 1);
    }
    assert(!overlaps(shape, strides));
    const indices = shape.reduce<number[][]>(
      (all, extent) =>
        all.flatMap((index) => Array.from({ length: extent }, (_, i) => [...index, i])),
      [[]],
    );
    const places = indices.map((index) => index.reduce((sum, at, i) => sum + at * strides[i], 0));
    const span = Float32Array.from({ length: spanOf(shape, strides) }, (_, i) => i);
    assertEquals(span.length, Math.max(-1, ...places) + 1);
    for (const start of [0, Math.floor(places.length / 2)]) {
      const into = new Float32Array(places.length - start);
      copyStrided(span, shape, strides, start, into);
      assertEquals([...into], places.slice(start));
    }
  }));
  assert(overlaps([2, 2], [1, 1]));
  assert(overlaps([2, 2], [0, 1]));
  assert(overlaps([3, 2], [1, 2]));
  assert(!overlaps([2, 3], [1, 2]));
  assert(!overlaps([1, 3], [0, 1]));
});

Deno.test("torch.save: a byte that was changed in an archive is noticed, or is of no tensor", async () => {
  const bytes = await Deno.readFile(fixture("zip"));
  await withFolder(async (folder) => {
    const path = join(folder, "x.pt");
    let noticed = 0;
    for (let at = 40; at < bytes.length; at += 61) {
      const changed = bytes.slice();
      changed[at] ^= 0x10;
      await Deno.writeFile(path, changed);
      try {
        await using file = await openTorch(path);
        for (const [name, values] of Object.entries(wanted)) {
          if (name === "empty" || !file.tensors.has(name)) continue;
          assertEquals(await all(file, name), values, `${name}, byte ${at}`);
        }
      } catch (error) {
        assert(!(error instanceof TypeError), String(error));
        assert((error as Error).message.includes(path), (error as Error).message);
        noticed++;
      }
    }
    assert(noticed > 20, `${noticed}`);
  });
});

Deno.test("torch.save: an archive with bytes in front of it is refused", async () => {
  // An empty dictionary.
  const entries = [{ name: "x/data.pkl", data: Uint8Array.of(0x80, 2, 0x7d, 0x2e) }];
  await withFolder(async (folder) => {
    const path = join(folder, "x.pt");
    await Deno.writeFile(path, await makeZip(entries));
    await using file = await openTorch(path);
    assertEquals(file.tensors.size, 0);
    const before = Uint8Array.of(0x50, 0x4b, 1, 1);
    await Deno.writeFile(path, await makeZip(entries, { before }));
    const wanted = `${path} is not a sound zip archive: 4 bytes stand in front of it`;
    await assertRejects(() => openTorch(path), Error, wanted);
  });
});

Deno.test("pickle: instructions that state dicts have", () => {
  const reader = {
    knows: (name: string) => name === "m.f",
    call: (name: string, args: unknown[]) => [name, ...args] as never,
    persistent: (id: unknown) => ["id", id] as never,
  };
  const read = (...parts: (number | string)[]) => {
    const bytes = parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]
    );
    return readPickle("x", Uint8Array.from([0x80, 4, ...bytes, 0x2e]), reader).value;
  };
  assertEquals(read("N"), null);
  assertEquals(read(0x88), true);
  assertEquals(read("K", 7), 7);
  assertEquals(read("M", 1, 2), 513);
  assertEquals(read("J", 255, 255, 255, 255), -1);
  assertEquals(read(0x8a, 1, 0x80), -128);
  assertEquals(read(0x8a, 0), 0);
  assertEquals(read(0x8b, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), 2n ** 64n);
  assertEquals(read("G", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5);
  assertEquals(read("X", 2, 0, 0, 0, "é"), "é");
  assertEquals(read(0x8c, 1, "a"), "a");
  assertEquals(read("U", 1, "a"), "a");
  assertEquals(read(0x8d, 1, 0, 0, 0, 0, 0, 0, 0, "a"), "a");
  assertEquals(read("C", 1, 9), Uint8Array.of(9));
  assertEquals(read("(K", 1, "K", 2, "t"), [1, 2]);
  assertEquals(read("K", 1, 0x85), [1]);
  assertEquals(read("K", 1, "K", 2, "K", 3, 0x87), [1, 2, 3]);
  assertEquals(read("](K", 1, "K", 2, "e"), [1, 2]);
  assertEquals(read("]K", 1, "a"), [1]);
  assertEquals(read("(K", 1, "K", 2, "l"), [1, 2]);
  assertEquals(read("(K", 1, "K", 2, "d"), new Map([[1, 2]]));
  assertEquals(read("}K", 1, "K", 2, "s"), new Map([[1, 2]]));
  assertEquals(read("}(K", 1, "K", 2, "u"), new Map([[1, 2]]));
  assertEquals(read("}q", 3, "0h", 3), new Map());
  assertEquals(read("K", 5, 0x94, "0h", 0), 5);
  assertEquals(read("Nq", 1, "h", 1, 0x86), [null, null]);
  assertEquals(read("K", 5, "r", 1, 0, 1, 0, "0j", 1, 0, 1, 0), 5);
  assertEquals(read("K", 5, "2", 0x86), [5, 5]);
  assertEquals(read("K", 5, "(K", 1, "1"), 5);
  assertEquals(read("cm\nf\n(K", 1, "tR"), ["m.f", 1]);
  assertEquals(read(0x8c, 1, "m", 0x8c, 1, "f", 0x93, ")R"), ["m.f"]);
  assertEquals(read("K", 1, "Q"), ["id", 1]);
  assertEquals(read("}}b"), new Map());
  assertThrows(() => read("cos\nsystem\n"), Error, "os.system is named (only tensors and plain");
});
