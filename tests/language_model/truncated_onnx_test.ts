import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, StringStringEntryProtoSchema } from "onnx-buf";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { findHooks } from "../../lib/language_model/find_hooks.ts";
import { loadFixture } from "./fixtures.ts";

const source = Deno.readFileSync(`${loadFixture("gpt2").folder}/onnx/model.onnx`);

// A file of our own to be cut and spoilt.
function withFile(run: (path: string, write: (bytes: Uint8Array) => void) => void): void {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/model.onnx`;
  try {
    run(path, (bytes) => Deno.writeFileSync(path, bytes));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a file cut anywhere is refused with its path and size", () => {
  withFile((path, write) => {
    const cuts = [0, 1, 2, 3, 17, 100, source.length - 1];
    for (let cut = 1000; cut < source.length; cut += 9973) cuts.push(cut);
    for (const cut of cuts) {
      write(source.subarray(0, cut));
      const error = assertThrows(() => readOnnxGraph(path), Error);
      assertStringIncludes(
        error.message,
        `${path} (${cut} bytes) is truncated or not an ONNX model: `,
      );
    }
  });
});

Deno.test("spoilt bytes give an error or a graph, never a crash", () => {
  withFile((path, write) => {
    const spot = fc.record({
      // Half of the spots are in the first kilobytes, where lengths of everything else are.
      at: fc.oneof(fc.nat(source.length - 1), fc.nat(4096)),
      byte: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(spot, { minLength: 1, maxLength: 4 }), (spots) => {
        const bytes = source.slice();
        for (const { at, byte } of spots) bytes[at] = byte;
        write(bytes);
        try {
          findHooks(readOnnxGraph(path).graph, 3);
        } catch (error) {
          assert(error instanceof Error && error.message.length > 0);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

Deno.test("files that claim more than they hold are refused", () => {
  withFile((path, write) => {
    const cases: [number[], string][] = [
      // A graph (field 7) of 2^49 bytes.
      [[0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], "its message ends at byte 9"],
      [Array(12).fill(0xff), "a number of more than ten bytes"],
      [[0x0b], "unknown wire type 3"],
      [[0x08, 0x08], "it has no graph nodes"],
      [[0x00, 0x00], "field number 0"],
    ];
    for (const [bytes, text] of cases) {
      write(Uint8Array.from(bytes));
      assertStringIncludes(assertThrows(() => readOnnxGraph(path), Error).message, text);
    }
    const model = fromBinary(ModelProtoSchema, source);
    const tensor = model.graph!.initializer[0];
    tensor.dims = [2n ** 40n, 64n];
    write(toBinary(ModelProtoSchema, model));
    assertStringIncludes(
      assertThrows(() => readOnnxGraph(path), Error).message,
      `initializer ${tensor.name} has 24576 bytes of data, FLOAT [1099511627776, 64] needs `,
    );
  });
});

Deno.test("external data must be there, in the folder and long enough", () => {
  withFile((path, write) => {
    const model = fromBinary(
      ModelProtoSchema,
      Deno.readFileSync(`${loadFixture("llama").folder}/onnx/model.onnx`),
    );
    write(toBinary(ModelProtoSchema, model));
    const data = path.replace("model.onnx", "dy.onnx.data");
    assertStringIncludes(
      assertThrows(() => readOnnxGraph(path), Error).message,
      `${data} is missing: it holds model.`,
    );
    Deno.writeFileSync(data, new Uint8Array(1000));
    assertStringIncludes(
      assertThrows(() => readOnnxGraph(path), Error).message,
      `${data} is too short for model.`,
    );
    for (const location of ["../dy.onnx.data", "/etc/passwd", "a/../../b", "C:\\x", ""]) {
      const tensor = model.graph!.initializer.find((one) => one.externalData.length > 0)!;
      tensor.externalData = [create(StringStringEntryProtoSchema, {
        key: "location",
        value: location,
      })];
      write(toBinary(ModelProtoSchema, model));
      assertStringIncludes(
        assertThrows(() => readOnnxGraph(path), Error).message,
        `has its data in "${location}", not in its folder`,
      );
    }
  });
});

Deno.test("a missing file and a folder in its place are named", () => {
  const folder = loadFixture("gpt2").folder;
  assertThrows(() => readOnnxGraph(`${folder}/no.onnx`), Error, "no.onnx does not exist");
  assertThrows(() => readOnnxGraph(folder), Error, "is a folder, expected a file");
  assertEquals(readOnnxGraph(`${folder}/onnx/model.onnx`).graph.node.length, 664);
});
