import { isWhole } from "../whole_number.ts";
import { PickleName, type PickleReader, type PickleValue } from "./pickle.ts";
import { type ElementKind, itemSize, type StreamedTensor } from "./streamed_tensors.ts";
import { overlaps, spanOf } from "./strided_elements.ts";
import type { ByteStream } from "./zip_content.ts";

/** A storage as a pickle names it. */
export interface StorageId {
  /** Its key, "0". */
  key: string;
  /** Its elements. */
  kind: ElementKind;
  /** Bytes of one. */
  itemSize: number;
  /** How many it has. */
  count: number;
}

/** Where a storage's numbers are. */
export interface Storage {
  /** For errors. */
  where: string;
  /** Its length. */
  bytes: number;
  /** Bytes in front of its first element. */
  start: number;
  /** Its bytes. */
  open(): ByteStream;
}

/** A tensor that a pickle describes. */
export interface PickledTensor {
  /** Finds it in the storages of the file; checks that it lies in its own. */
  place(path: string, name: string, storages: ReadonlyMap<string, Storage>): StreamedTensor;
}

/** The reader of the names that a state dict holds, and the storages that were named to it. */
export interface TorchNames extends PickleReader {
  /** By key. */
  storages: Map<string, StorageId>;
}

const storageKinds: Readonly<Record<string, { kind: ElementKind; dtype: string }>> = {
  "torch.FloatStorage": { kind: "f4", dtype: "F32" },
  "torch.DoubleStorage": { kind: "f8", dtype: "F64" },
  "torch.HalfStorage": { kind: "f2", dtype: "F16" },
  "torch.BFloat16Storage": { kind: "bf2", dtype: "BF16" },
  "torch.LongStorage": { kind: "i8", dtype: "I64" },
  "torch.IntStorage": { kind: "i4", dtype: "I32" },
  "torch.ShortStorage": { kind: "i2", dtype: "I16" },
  "torch.CharStorage": { kind: "i1", dtype: "I8" },
  "torch.ByteStorage": { kind: "u1", dtype: "U8" },
  "torch.BoolStorage": { kind: "u1", dtype: "BOOL" },
};

const DICT = "collections.OrderedDict";
const PARAMETER = "torch._utils._rebuild_parameter";
const TENSORS = ["torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"];

/** Tells tensors from the other values. */
class Tensor implements PickledTensor {
  constructor(
    readonly storage: StorageId,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}

  place(path: string, name: string, storages: ReadonlyMap<string, Storage>): StreamedTensor {
    const { storage, offset, shape, strides } = this;
    const { key, kind, count } = storage;
    const found = storages.get(key);
    if (!found) throw new Error(`${name} lies in storage ${key}, which is not there, in ${path}`);
    if (found.bytes !== count * storage.itemSize) {
      throw new Error(
        `${found.where} has ${found.bytes} bytes, its ${count} elements take ` +
          `${count * storage.itemSize}, in ${path}`,
      );
    }
    if (overlaps(shape, strides)) {
      throw new Error(
        `${name} is [${shape.join(", ")}] with strides [${strides.join(", ")}], by which it may ` +
          `hold an element more than once, in ${path}`,
      );
    }
    const end = offset + spanOf(shape, strides);
    if (end > count) {
      throw new Error(
        `${name} takes elements ${offset} to ${end} of storage ${key}, which has ${count}, ` +
          `in ${path}`,
      );
    }
    return {
      dtype: dtypeOf(kind),
      shape,
      ...this.layout(),
      kind,
      littleEndian: true,
      where: found.where,
      dataStart: found.start + offset * storage.itemSize,
      endsStream: end === count,
      open: () => found.open(),
    };
  }

  /**
   * How its elements lie: without a gap, in rows (in Fortran order columns) with a gap between them, which are
   * read as they are, or by strides.
   */
  private layout(): Pick<StreamedTensor, "columnMajor" | "pitch" | "strides"> {
    const { shape, strides } = this;
    // A dimension of one element is never stepped along.
    const dense = [...shape.keys()].every((i) =>
      shape[i] <= 1 ||
      strides[i] === shape.slice(i + 1).reduce((product, extent) => product * extent, 1)
    );
    if (dense || shape.includes(0)) return {};
    if (shape.length === 2) {
      const [rows, cols] = shape;
      if (cols <= 1 || strides[1] === 1) return { pitch: strides[0] };
      if (rows <= 1 || strides[0] === 1) {
        return { columnMajor: true, ...strides[1] !== rows && { pitch: strides[1] } };
      }
    }
    return { strides };
  }
}

/** Whether a value of a pickle is a tensor. */
export function isPickledTensor(value: PickleValue): value is PickledTensor & object {
  return value instanceof Tensor;
}

/** A storage, in the pickle. */
class NamedStorage {
  constructor(readonly id: StorageId) {}
}

/** The names that state dicts hold, and what becomes of them. */
export function torchNames(): TorchNames {
  const storages = new Map<string, StorageId>();
  return {
    storages,
    knows: (name) =>
      name === DICT || name === PARAMETER || TENSORS.includes(name) ||
      Object.hasOwn(storageKinds, name),
    call(name, args) {
      if (name === DICT) {
        if (args.length > 0) throw new Error(`${DICT} with content, expected it empty`);
        return new Map();
      }
      if (name === PARAMETER) {
        if (!(args[0] instanceof Tensor)) throw new Error("a parameter without a tensor");
        return args[0];
      }
      if (TENSORS.includes(name)) return rebuild(args);
      throw new Error(`${name} is called, which is no function of a state dict`);
    },
    persistent(id) {
      const storage = storageOf(id);
      const before = storages.get(storage.key);
      if (before && (before.kind !== storage.kind || before.count !== storage.count)) {
        throw new Error(`storage ${storage.key} is named in two ways`);
      }
      storages.set(storage.key, storage);
      return new NamedStorage(storage);
    },
  };
}

/** ("storage", its class, key, device, number of elements), before PyTorch 1.6 with a view behind it. */
function storageOf(id: PickleValue): StorageId {
  if (!Array.isArray(id) || id.length < 5 || id.length > 6 || id[0] !== "storage") {
    throw new Error("a persistent id that names no storage");
  }
  const [, type, key, , count, view = null] = id;
  const name = type instanceof PickleName ? type.name : "no name";
  if (!Object.hasOwn(storageKinds, name)) throw new Error(`a storage of ${name}`);
  if (typeof key !== "string" || !/^\d{1,20}$/.test(key)) {
    throw new Error("a storage whose key is no number");
  }
  if (view !== null) throw new Error("a view of a storage, expected the whole one");
  const { kind } = storageKinds[name];
  return { key, kind, itemSize: itemSize(kind), count: size(count, "the storage's length") };
}

function rebuild(args: PickleValue[]): Tensor {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof NamedStorage) || !Array.isArray(shape) || !Array.isArray(strides)) {
    throw new Error("a tensor without storage, shape and strides");
  }
  if (shape.length !== strides.length || shape.length > 4) {
    throw new Error(
      `a tensor of ${shape.length} dimensions and ${strides.length} strides, expected at most 4`,
    );
  }
  const extents = shape.map((extent) => size(extent, "a size"));
  const elements = extents.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(elements)) {
    throw new Error(`a tensor of [${extents.join(", ")}], more than a file can hold,`);
  }
  const steps = strides.map((stride) => size(stride, "a stride"));
  return new Tensor(storage.id, size(offset, "an offset"), extents, steps);
}

function size(value: PickleValue, what: string): number {
  if (!isWhole(value)) throw new Error(`${what} that is no whole number from 0 on`);
  return value;
}

function dtypeOf(kind: ElementKind): string {
  return Object.values(storageKinds).find((one) => one.kind === kind)!.dtype;
}
