import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { type ByteWindow, openByteWindow } from "./byte_window.ts";
import { withoutCacheBranch } from "./inline_branch.ts";
import { withPlainOperators } from "./plain_operators.ts";
import { type ProtobufField, protobufFields } from "./protobuf_fields.ts";

/** The structure of an .onnx file: its weights are references into files, not bytes in memory. */
export interface OnnxGraph {
  /** Path of the .onnx file. */
  path: string;
  /** The file's model; every initialiser above 1 KiB is external data beside the file. */
  model: ModelProto;
  /**
   * The model's main graph, with the cacheless branch of a merged decoder in place and without
   * fused residual additions.
   */
  graph: GraphProto;
}

// Shape inference reads small initialisers (shapes, axes, scalars): those stay inline.
const inlineLimit = 1024;
// A graph without its weights takes 0.1 to 5 MB; weights stored as typed data stay inline too.
const structureLimit = 256 * 2 ** 20;

/**
 * Reads the structure of an .onnx file, seeking over the weights: 0.6 MB of a 652 MB file.
 *
 * @throws Error naming the file when it is missing, truncated, not ONNX, has weights in a file that
 * is missing or too short, or needs more than 256 MiB without its weights.
 */
export function readOnnxGraph(path: string): OnnxGraph {
  const model = readStructure(path);
  const graph = model.graph = withPlainOperators(withoutCacheBranch(model.graph!));
  for (const tensor of graph.initializer) checkExternalData(tensor, dirname(path), path);
  return { path, model, graph };
}

/**
 * The names of the files that an .onnx file keeps weights in, relative to its folder; none for a
 * file that holds them itself.
 *
 * @throws Error naming the file when it is missing, truncated or not ONNX, or when a name leads out
 * of its folder.
 */
export function externalFiles(path: string): string[] {
  const graph = withoutCacheBranch(readStructure(path).graph!);
  const names = graph.initializer
    .filter((tensor) => tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
    .map((tensor) => locationOf(tensor, path));
  return [...new Set(names)].filter((name) => name !== basename(path)).sort();
}

function readStructure(path: string): ModelProto {
  if (!existsSync(path)) throw new Error(`${path} does not exist, expected an ONNX model`);
  if (!statSync(path).isFile()) throw new Error(`${path} is not a file, expected an ONNX model`);
  using file = openByteWindow(path);
  try {
    return readModel(file, basename(path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} (${file.size} bytes) is truncated or not an ONNX model: ${reason}`);
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
    // Nodes lie side by side: one read for all of them.
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

const bitsOf: Partial<Record<TensorProto_DataType, number>> = {
  [TensorProto_DataType.FLOAT]: 32,
  [TensorProto_DataType.UINT8]: 8,
  [TensorProto_DataType.INT8]: 8,
  [TensorProto_DataType.UINT16]: 16,
  [TensorProto_DataType.INT16]: 16,
  [TensorProto_DataType.INT32]: 32,
  [TensorProto_DataType.INT64]: 64,
  [TensorProto_DataType.BOOL]: 8,
  [TensorProto_DataType.FLOAT16]: 16,
  [TensorProto_DataType.DOUBLE]: 64,
  [TensorProto_DataType.UINT32]: 32,
  [TensorProto_DataType.UINT64]: 64,
  [TensorProto_DataType.BFLOAT16]: 16,
  [TensorProto_DataType.UINT4]: 4,
  [TensorProto_DataType.INT4]: 4,
};

function checkByteSize(tensor: TensorProto, size: number): void {
  const bits = bitsOf[tensor.dataType as TensorProto_DataType];
  if (bits === undefined) return;
  const count = tensor.dims.reduce((product, dim) => product * Number(dim), 1);
  const expected = Math.ceil(count * bits / 8);
  if (size !== expected || tensor.dims.some((dim) => dim < 0n)) {
    const type = TensorProto_DataType[tensor.dataType];
    throw new RangeError(
      `initializer ${tensor.name} has ${size} bytes of data, ` +
        `${type} [${tensor.dims.join(", ")}] needs ${expected}`,
    );
  }
}

function locationOf({ name, externalData }: TensorProto, path: string): string {
  // Of several entries ONNX Runtime takes the last.
  const location = externalData.findLast(({ key }) => key === "location")?.value ?? "";
  // Names with a folder in them are legal in ONNX; leaving the model's folder is not.
  if (location === "" || location.startsWith("/") || /(^|[\\/])\.\.([\\/]|$)|^\w:/.test(location)) {
    throw new Error(`${path}: ${name} has its data in "${location}", not in its folder`);
  }
  return location;
}

function checkExternalData(tensor: TensorProto, folder: string, path: string): void {
  if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) return;
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = locationOf(tensor, path);
  const file = join(folder, location);
  if (!existsSync(file)) throw new Error(`${file} is missing: it holds ${tensor.name} of ${path}`);
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? 0);
  const size = statSync(file).size;
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
    throw new Error(
      `${file} is too short for ${tensor.name}: it has ${size} bytes, ` +
        `bytes ${offset} to ${offset + length} are needed`,
    );
  }
  if (entries.has("length")) {
    try {
      checkByteSize(tensor, length);
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`);
    }
  }
}
