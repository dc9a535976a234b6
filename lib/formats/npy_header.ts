/** What the header of an npy array says. */
export interface NpyHeader {
  /** Element type as numpy writes it: "<f4", ">f8", … */
  dtype: string;
  /** Sizes of its dimensions; empty for a scalar. */
  shape: number[];
  /** Whether the first index runs fastest. */
  columnMajor: boolean;
  /** Bytes of one element: 2, 4 or 8. */
  itemSize: number;
  /** Whether elements have their lowest byte first. */
  littleEndian: boolean;
  /** Bytes of the elements. */
  dataBytes: number;
}

/** Bytes from which {@linkcode npyHeaderBytes} finds out how long the header is. */
export const NPY_PREFIX = 12;

// numpy's own limit on headers that it reads. One of a plain array takes 128 bytes.
const maxHeaderBytes = 10_000;

/**
 * Length of an npy header from its first bytes.
 *
 * @param where Names the array in errors.
 * @param prefix The array's first {@linkcode NPY_PREFIX} bytes.
 * @returns Where the header's text begins, and where the elements begin.
 * @throws {Error} It is no npy array of version 1, 2 or 3, or the header is longer than numpy reads.
 */
export function npyHeaderBytes(where: string, prefix: Uint8Array): [text: number, data: number] {
  const magic = String.fromCharCode(...prefix.subarray(1, 6));
  if (prefix.length < NPY_PREFIX || prefix[0] !== 0x93 || magic !== "NUMPY") {
    throw new Error(`${where} does not begin as an npy array does`);
  }
  const [major, minor] = prefix.subarray(6, 8);
  if (major < 1 || major > 3 || minor !== 0) {
    throw new Error(`${where} has npy version ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset);
  const [start, length] = major === 1
    ? [10, view.getUint16(8, true)]
    : [12, view.getUint32(8, true)];
  if (length > maxHeaderBytes) {
    throw new Error(`${where} has a header of ${length} bytes, expected at most ${maxHeaderBytes}`);
  }
  return [start, start + length];
}

/**
 * Reads the text of an npy header: a Python dictionary of descr, fortran_order and shape, and
 * nothing else. It is matched, never evaluated.
 *
 * @param where Names the array in errors.
 * @throws {Error} It is not such a dictionary, or the elements are no plain floats.
 */
export function parseNpyHeader(where: string, text: string): NpyHeader {
  const fields = matchFields(where, text);
  const descr = fields.get("descr")!;
  if (/O/.test(descr)) {
    throw new Error(
      `${where} holds Python objects (descr ${show(descr)}), which are pickles and never read`,
    );
  }
  const type = /^(['"])([<>])f([248])\1$/.exec(descr);
  if (!type) {
    throw new Error(
      `${where} has descr ${show(descr)}, expected floats of 2, 4 or 8 bytes ('<f4' for example)`,
    );
  }
  const order = fields.get("fortran_order")!;
  if (order !== "True" && order !== "False") {
    throw new Error(`${where} has fortran_order ${show(order)}, expected True or False`);
  }
  const shape = matchShape(where, fields.get("shape")!);
  const itemSize = Number(type[3]);
  const dataBytes = shape.reduce((product, size) => product * size, itemSize);
  if (!Number.isSafeInteger(dataBytes)) {
    throw new Error(`${where} has shape [${shape.join(", ")}], more bytes than a file can hold`);
  }
  return {
    dtype: `${type[2]}f${type[3]}`,
    shape,
    columnMajor: order === "True" && shape.length > 1,
    itemSize,
    littleEndian: type[2] === "<",
    dataBytes,
  };
}

const NAMES = ["descr", "fortran_order", "shape"];

function matchFields(where: string, text: string): Map<string, string> {
  const fail = (): never => {
    throw new Error(
      `${where} has header ${show(text.trim())}, expected {'descr': …, 'fortran_order': …, ` +
        `'shape': …}`,
    );
  };
  const inner = /^\s*\{([^{}]*)\}\s*$/.exec(text) ?? fail();
  // A value is a string, a word, a tuple or a list (of a structured type).
  const pair = /\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|\w+|\([^()]*\)|\[.*?\])\s*(?:,|$)/sy;
  const fields = new Map<string, string>();
  while (pair.lastIndex < inner[1].trimEnd().length) {
    const [, , name, value] = pair.exec(inner[1]) ?? fail();
    if (fields.has(name) || !NAMES.includes(name)) fail();
    fields.set(name, value);
  }
  return fields.size === NAMES.length ? fields : fail();
}

function matchShape(where: string, text: string): number[] {
  const sizes = /^\((.*)\)$/s.exec(text)?.[1].trim().split(",").map((size) => size.trim());
  // "(3,)" is a tuple, "(3)" a number in brackets, "()" the shape of a scalar.
  if (sizes?.at(-1) === "") sizes.pop();
  else if (sizes?.length === 1) sizes[0] = "";
  if (!sizes?.every((size) => /^\d+$/.test(size))) {
    throw new Error(`${where} has shape ${show(text)}, expected a tuple of whole numbers`);
  }
  return sizes.map(Number);
}

/** Texts come from the file: long ones are cut. */
function show(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
