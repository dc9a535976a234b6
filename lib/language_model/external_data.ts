import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from "onnx-buf";
import { regularFileSize } from "./regular_file.ts";

/** Whether a tensor's values are stored as external data: in another file, or as a range of the .onnx file. */
export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
}

/**
 * Name of the file with an external tensor's values, relative to the folder of the .onnx file `path`.
 *
 * @throws {Error} The name leads out of that folder.
 */
export function locationOf({ name, externalData }: TensorProto, path: string): string {
  // Of several entries ONNX Runtime takes the last.
  const location = externalData.findLast(({ key }) => key === "location")?.value ?? "";
  // Names with a folder in them are legal in ONNX; leaving the model's folder is not.
  if (location === "" || location.startsWith("/") || /(^|[\\/])\.\.([\\/]|$)|^\w:/.test(location)) {
    throw new Error(`${path}: ${name} has its data in "${location}", not in its folder`);
  }
  return location;
}

/**
 * Checks the files with external data and returns the folder that their locations are relative to.
 * That is the .onnx file's folder, or, where files are symbolic links, a common folder of their
 * targets: ONNX Runtime follows no link out of its folder. The tensors' locations are then rewritten.
 * In Hugging Face's cache all files are links: snapshots/REVISION/FILE leads to blobs/HASH.
 *
 * @param tensors Initializers of the graph.
 * @param path Path of the .onnx file, which may be a link to anywhere.
 * @throws {Error} A file is missing, too short, or a link to a file that is neither in the model's
 * folder nor among the blobs of its cache.
 */
export function placeExternalData(tensors: TensorProto[], path: string): string {
  const folder = dirname(path);
  const external = tensors.filter(isExternal);
  const places = new Map<string, string>();
  for (const tensor of external) {
    const location = locationOf(tensor, path);
    if (!places.has(location)) places.set(location, placeOf(tensor.name, location, path));
    checkLength(tensor, join(folder, location), path);
  }
  const root = realpathSync(folder);
  if ([...places].every(([location, place]) => place === join(root, location))) return folder;
  const common = commonFolder([...places.values()]);
  for (const tensor of external) {
    const to = relative(common, places.get(locationOf(tensor, path))!);
    for (const entry of tensor.externalData) if (entry.key === "location") entry.value = to;
  }
  return common;
}

function placeOf(name: string, location: string, path: string): string {
  const folder = dirname(path);
  const file = join(folder, location);
  if (!existsSync(file)) throw new Error(`${file} is missing: it holds ${name} of ${path}`);
  const place = realpathSync(file);
  const root = realpathSync(folder);
  const cache = /^(.*[\\/])(models--[^\\/]+[\\/])snapshots[\\/]/.exec(root + sep);
  // A blob may itself be a link: huggingface_hub stores files shared by repositories once, in the
  // cache's common blobs folder.
  const blobs = cache ? [`${cache[1]}${cache[2]}blobs${sep}`, `${cache[1]}blobs${sep}`] : [];
  const allowed = [root + sep, ...blobs];
  if (location === basename(path) || allowed.some((one) => place.startsWith(one))) {
    regularFileSize(place);
    return place;
  }
  throw new Error(
    `${path}: ${name} has its data in "${location}", a link to ${place}, which is not in its folder`,
  );
}

function commonFolder(files: string[]): string {
  let common = dirname(files[0]);
  const inside = (file: string) => file.startsWith(common.endsWith(sep) ? common : common + sep);
  while (!files.every(inside)) common = dirname(common);
  return common;
}

function checkLength(tensor: TensorProto, file: string, path: string): void {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? 0);
  const size = statSync(file).size;
  if (!(offset >= 0 && length >= 0)) {
    const range = `offset ${entries.get("offset")}, length ${entries.get("length")}`;
    throw new Error(`${path}: ${tensor.name} has ${range}, expected numbers from 0 on`);
  }
  if (offset + length > size) {
    throw new Error(
      `${file} is too short for ${tensor.name}: it has ${size} bytes, ` +
        `bytes ${offset} to ${offset + length} are needed`,
    );
  }
  if (!entries.has("length")) return;
  try {
    checkByteSize(tensor, length);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
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
  [TensorProto_DataType.COMPLEX64]: 64,
  [TensorProto_DataType.COMPLEX128]: 128,
  [TensorProto_DataType.FLOAT8E4M3FN]: 8,
  [TensorProto_DataType.FLOAT8E4M3FNUZ]: 8,
  [TensorProto_DataType.FLOAT8E5M2]: 8,
  [TensorProto_DataType.FLOAT8E5M2FNUZ]: 8,
};

/**
 * Checks a tensor's size in bytes against its type and dimensions.
 *
 * @throws {RangeError} They differ, a dimension is negative, or the type is unknown.
 */
export function checkByteSize(tensor: TensorProto, size: number): void {
  if (tensor.dims.some((dim) => dim < 0n)) {
    throw new RangeError(
      `initializer ${tensor.name} is [${tensor.dims.join(", ")}], expected sizes from 0 on`,
    );
  }
  const bits = bitsOf[tensor.dataType as TensorProto_DataType];
  if (bits === undefined) {
    // Types of newer ONNX versions are left to ONNX Runtime; strings have no raw data.
    if (TensorProto_DataType[tensor.dataType] !== undefined) return;
    throw new RangeError(`initializer ${tensor.name} has the unknown type ${tensor.dataType}`);
  }
  const count = tensor.dims.reduce((product, dim) => product * Number(dim), 1);
  const expected = Math.ceil(count * bits / 8);
  if (size !== expected) {
    const type = TensorProto_DataType[tensor.dataType];
    throw new RangeError(
      `initializer ${tensor.name} has ${size} bytes of data, ` +
        `${type} [${tensor.dims.join(", ")}] needs ${expected}`,
    );
  }
}
