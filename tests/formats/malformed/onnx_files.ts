import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { fromFileUrl, join } from "@std/path";
import { type ModelProto, ModelProtoSchema, StringStringEntryProtoSchema } from "onnx-buf";
import { inspectModel } from "../../../lib/language_model/inspect_model.ts";
import type { Malformed } from "./malformed.ts";

const fixture = (name: string) =>
  fromFileUrl(new URL(`../../fixtures/onnx/${name}`, import.meta.url));
const whole = (name: string) => Deno.readFileSync(fixture(name));

/** A file whose structure was changed. */
function changed(name: string, change: (model: ModelProto) => void): () => Uint8Array {
  return () => {
    const model = fromBinary(ModelProtoSchema, whole(name));
    change(model);
    return toBinary(ModelProtoSchema, model);
  };
}

/** An export with external data, of which one tensor says something else. */
function external(entries: Record<string, string>): () => Uint8Array {
  return changed("llama/onnx/model.onnx", ({ graph }) => {
    const tensor = graph!.initializer.find(({ externalData }) => externalData.length > 0)!;
    const all = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]));
    tensor.externalData = Object.entries({ ...all, ...entries })
      .map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
  });
}

const files: [what: string, bytes: () => Uint8Array, more?: (folder: string) => Promise<void>][] = [
  ["empty", () => new Uint8Array()],
  ["a text", () => new TextEncoder().encode("no model")],
  ["cut in the weights", () => whole("gpt2/onnx/model.onnx").subarray(0, 100_000)],
  ["cut by one byte", () => whole("gpt2/onnx/model.onnx").slice(0, -1)],
  ["graph of 2^49 bytes claimed", () => new Uint8Array([0x3a, ...Array(7).fill(0x80), 1])],
  ["a number that does not end", () => new Uint8Array(12).fill(0xff)],
  [
    "dimensions of 2^46 values",
    changed("gpt2/onnx/model.onnx", ({ graph }) => {
      graph!.initializer[0].dims = [2n ** 40n, 64n];
    }),
  ],
  [
    "a dimension below 0",
    changed("gpt2/onnx/model.onnx", ({ graph }) => {
      graph!.initializer[0].dims = [-96n, -64n];
    }),
  ],
  ["no logits", changed("gpt2/onnx/model.onnx", ({ graph }) => void (graph!.output.length = 0))],
  ["data file missing", external({})],
  ["data file too short", external({}), (folder) => data(folder, 1000)],
  ["data leads up", external({ location: "../secret" })],
  ["data leads up from a folder", external({ location: "a/../../secret" })],
  ["data in an absolute path", external({ location: "/etc/passwd" })],
  ["data on another drive", external({ location: "C:\\secret" })],
  ["data without a name", external({ location: "" })],
  [
    "data is a link out of the folder",
    external({}),
    (folder) => Deno.symlink("/dev/null", join(folder, "dy.onnx.data")),
  ],
  ["data from below 0", external({ offset: "-64" }), (folder) => data(folder, 1e6)],
  ["data from a word", external({ offset: "end" }), (folder) => data(folder, 1e6)],
  ["data of 2^60 bytes", external({ length: String(2n ** 60n) }), (folder) => data(folder, 1e6)],
  ["data of another length", external({ length: "1" }), (folder) => data(folder, 1e6)],
];

function data(folder: string, size: number): Promise<void> {
  return Deno.writeFile(join(folder, "dy.onnx.data"), new Uint8Array(size));
}

/** Language models' files: truncations, lying sizes, weights that are said to lie elsewhere. */
export const onnxFiles: Malformed[] = files.map(([what, bytes, more]) => ({
  format: "ONNX",
  what,
  async make(folder) {
    const path = join(folder, "model.onnx");
    await Deno.writeFile(path, bytes());
    await Deno.copyFile(fixture("llama/config.json"), join(folder, "config.json"));
    await more?.(folder);
    return path;
  },
  load: (path) => inspectModel(path, { offline: true }),
}));
