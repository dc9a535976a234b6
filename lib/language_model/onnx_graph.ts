import { existsSync } from "node:fs";
import { basename } from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from "onnx-buf";
import { type ByteWindow, openByteWindow } from "./byte_window.ts";
import { checkByteSize, isExternal, locationOf, placeExternalData } from "./external_data.ts";
import { withoutCacheBranch } from "./inline_branch.ts";
import { withPlainOperators } from "./plain_operators.ts";
import { type ProtobufField, protobufFields } from "./protobuf_fields.ts";
import { regularFileSize } from "./regular_file.ts";
import { withTokenInput } from "./token_input.ts";

/** The structure of an .onnx file; weights are references into files. */
export interface OnnxGraph {
  /** Path of the .onnx file. */
  path: string;
  /** Folder that locations of external data are relative to. */
  folder: string;
  /** The model; every initializer above 1 KiB is external data in `folder`. */
  model: ModelProto;
  /**
   * The model's main graph, with a merged decoder's branch without cache inlined, fused residual
   * additions split, and token ids in the input `input_ids`.
   */
  graph: GraphProto;
}

// Shape inference reads small initializers (shapes, axes, scalars): those stay inline.
const inlineLimit = 1024;
// A graph without its weights takes 0.1 to 5 MB; weights stored as typed data stay inline too.
const structureLimit = 256 * 2 ** 20;

/**
 * Reads the structure of an .onnx file and skips its weights: 0.6 MB of a 652 MB file are read.
 *
 * @throws {Error} The file is missing, truncated or not ONNX, a file of weights is missing, too short
 * or in another folder, the graph takes no token ids, or the structure is above 256 MiB. The message
 * names the file.
 */
export function readOnnxGraph(path: string): OnnxGraph {
  const model = readStructure(path);
  const plain = withPlainOperators(withoutCacheBranch(model.graph!));
  const folder = placeExternalData(plain.initializer, path);
  try {
    const graph = model.graph = withTokenInput(plain);
    checkNames(graph);
    return { path, folder, model, graph };
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/**
 * Names of the other files with an .onnx file's weights, relative to its folder.
 *
 * @throws {Error} The file is missing, truncated or not ONNX, or a name leads out of its folder. The
 * message names the file.
 */
export function externalFiles(path: string): string[] {
  const graph = withoutCacheBranch(readStructure(path).graph!);
  const names = graph.initializer
    .filter(isExternal)
    .map((tensor) => locationOf(tensor, path));
  return [...new Set(names)].filter((name) => name !== basename(path)).sort();
}

function readStructure(path: string): ModelProto {
  if (!existsSync(path)) throw new Error(`${path} does not exist, expected an ONNX model`);
  regularFileSize(path);
  using file = openByteWindow(path);
  try {
    return readModel(file, basename(path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} (${file.size} bytes) is truncated or not an ONNX model: ${reason}`);
  }
}

/**
 * Checks that every value that is read is produced, and none twice. A damaged name would otherwise be
 * noticed when the model runs, or refer to another tensor.
 */
function checkNames({ input, initializer, sparseInitializer, node }: GraphProto): void {
  const given = new Set(input.map(({ name }) => name));
  // Until IR version 4 initializers were inputs too.
  const weights = [
    ...initializer.map(({ name }) => name),
    ...sparseInitializer.map(({ values }) => values?.name ?? ""),
  ];
  const seen = new Set<string>();
  for (const name of weights) {
    if (seen.has(name)) throw new Error(`it has two initializers ${JSON.stringify(name)}`);
    seen.add(name);
    given.add(name);
  }
  for (const { output, name } of node) {
    for (const value of output.filter((value) => value !== "")) {
      if (given.has(value)) {
        throw new Error(
          `node ${JSON.stringify(name)} produces ${JSON.stringify(value)} a second time`,
        );
      }
      given.add(value);
    }
  }
  for (const { input, name } of node) {
    const missing = input.find((value) => value !== "" && !given.has(value));
    if (missing !== undefined) {
      throw new Error(
        `node ${JSON.stringify(name)} reads ${JSON.stringify(missing)}, which no node produces`,
      );
    }
  }
}

function readModel(file: ByteWindow, location: string): ModelProto {
  let total = 0;
  function take(fields: ProtobufField[]): Uint8Array<ArrayBuffer> {
    const length = fields.reduce((sum, field) => sum + field.end - field.start, 0);
    total += length;
    if (total > structureLimit) {
      throw new RangeError(`its structure takes more than ${structureLimit} bytes`);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    // Nodes are adjacent in the file: one read for all of them.
    for (let i = 0, last = 0; i < fields.length; i = last + 1) {
      for (last = i; fields[last + 1]?.start === fields[last].end;) last++;
      bytes.set(file.bytes(fields[i].start, fields[last].end - fields[i].start), at);
      at += fields[last].end - fields[i].start;
    }
    return bytes;
  }

  const modelFields: ProtobufField[] = [];
  const graphFields: ProtobufField[] = [];
  const tensors: TensorProto[] = [];
  for (const field of protobufFields(file, 0, file.size)) {
    if (!(field.hasLength && field.number === ModelProtoSchema.field.graph.number)) {
      modelFields.push(field);
      continue;
    }
    for (const part of protobufFields(file, field.payload, field.end)) {
      if (part.hasLength && part.number === GraphProtoSchema.field.initializer.number) {
        tensors.push(readTensor(file, part, location, take));
      } else graphFields.push(part);
    }
  }
  const model = fromBinary(ModelProtoSchema, take(modelFields));
  const graph = fromBinary(GraphProtoSchema, take(graphFields));
  if (graph.node.length === 0) throw new RangeError("it has no graph nodes");
  if (model.opsetImport.length === 0) throw new RangeError("it names no operator set");
  if (graph.output.length === 0) throw new RangeError("its graph has no outputs");
  graph.initializer = tensors;
  model.graph = graph;
  return model;
}

function readTensor(
  file: ByteWindow,
  field: ProtobufField,
  location: string,
  take: (fields: ProtobufField[]) => Uint8Array<ArrayBuffer>,
): TensorProto {
  const kept: ProtobufField[] = [];
  let raw: ProtobufField | undefined;
  for (const part of protobufFields(file, field.payload, field.end)) {
    if (part.hasLength && part.number === TensorProtoSchema.field.rawData.number) raw = part;
    else kept.push(part);
  }
  const size = raw ? raw.end - raw.payload : 0;
  if (raw && size <= inlineLimit) kept.push(raw);
  const tensor = fromBinary(TensorProtoSchema, take(kept));
  if (raw) {
    checkByteSize(tensor, size);
    if (size > inlineLimit) refer(tensor, location, raw.payload, size);
  }
  return tensor;
}

function refer(tensor: TensorProto, location: string, offset: number, length: number): void {
  const entries = { location, offset: String(offset), length: String(length) };
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value })
  );
}
