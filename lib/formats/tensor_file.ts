import { formatBytes } from "../device/describe.ts";
import { availableMemory } from "./available_memory.ts";
import { transposeBlock } from "./transpose.ts";

/** What a file says about one of its tensors. */
export interface TensorInfo {
  /** Element type, as the file names it. */
  dtype: string;
  /** Sizes of its dimensions; empty for a scalar. */
  shape: number[];
  /** Whether the first index runs fastest (Fortran order); absent: the last one does. */
  columnMajor?: boolean;
}

/** An open file of named tensors, whose header was checked against the file. */
export interface TensorFile extends AsyncDisposable {
  /** The file, as it was given. */
  path: string;
  /** The tensors, by name. */
  tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Reads elements of a tensor as float32, in the order of the file. A compressed file is read fast
   * only from a tensor's begin to its end.
   */
  read(name: string, start: number, into: Float32Array): Promise<void>;
}

// W_enc is transposed through pieces of 8 MiB: 21 rows of a 98,304-latent SAE, so that the
// scattered side still moves whole cache lines of 16 floats.
const pieceElements = 2 * 2 ** 20;

/**
 * Checks that a file has a tensor of a shape.
 *
 * @param words What the shape is made of, "[dictSize, dModel]".
 * @throws {Error} It has none, or one of another shape.
 */
export function checkShape(file: TensorFile, name: string, wanted: number[], words: string): void {
  const entry = file.tensors.get(name);
  const numbers = `[${wanted.join(", ")}]`;
  if (!entry) {
    const found = [...file.tensors.keys()].slice(0, 12).join(", ") || "no tensor";
    throw new Error(
      `${name} is missing, expected ${words} = ${numbers}, found ${found} in ${file.path}`,
    );
  }
  if (entry.shape.join() !== wanted.join()) {
    throw new Error(
      `${name} is [${entry.shape.join(", ")}], expected ${words} = ${numbers} in ${file.path}`,
    );
  }
}

/** Reads a tensor whose shape was checked, in its file's order. */
export async function readTensor(
  file: TensorFile,
  name: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  signal?.throwIfAborted();
  const data = allocate(file, name, elements(file, name));
  for (let done = 0; done < data.length || done === 0; done += pieceElements) {
    signal?.throwIfAborted();
    await file.read(name, done, data.subarray(done, done + pieceElements));
  }
  return data;
}

/**
 * Reads a tensor [rows, cols] whose shape was checked, as it is or as its transpose: row-major
 * either way, and through pieces, so that memory is the result's.
 */
export async function readMatrix(
  file: TensorFile,
  name: string,
  transpose: boolean,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { shape: [rows, cols], columnMajor = false } = file.tensors.get(name)!;
  // A matrix in Fortran order is its transpose in C order.
  if (transpose === columnMajor) return await readTensor(file, name, signal);
  return await readTransposed(file, name, columnMajor ? [cols, rows] : [rows, cols], signal);
}

async function readTransposed(
  file: TensorFile,
  name: string,
  [rows, cols]: number[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const data = allocate(file, name, rows * cols);
  const step = Math.min(rows, Math.max(1, Math.floor(pieceElements / cols)));
  const piece = new Float32Array(step * cols);
  for (let r = 0; r < rows; r += step) {
    signal?.throwIfAborted();
    const count = Math.min(step, rows - r);
    await file.read(name, r * cols, piece.subarray(0, count * cols));
    transposeBlock(piece, 0, cols, count, cols, data, r, rows);
  }
  return data;
}

/**
 * The rows of the transpose of `source` [rows, cols], in pieces that share one buffer.
 */
export function* transposedPieces(
  source: Float32Array,
  rows: number,
  cols: number,
): Generator<Float32Array> {
  const step = Math.min(cols, Math.max(1, Math.floor(pieceElements / rows)));
  const piece = new Float32Array(step * rows);
  for (let c = 0; c < cols; c += step) {
    const count = Math.min(step, cols - c);
    transposeBlock(source, c, cols, rows, count, piece, 0, rows);
    yield piece.subarray(0, count * rows);
  }
}

function allocate({ path, tensors }: TensorFile, name: string, count: number): Float32Array {
  checkFits(path, name, tensors.get(name)!.shape);
  return new Float32Array(count);
}

// Below it nothing is asked: 10,000 tensors are read as fast as before.
const smallBytes = 2 ** 28;
// The longest ArrayBuffer of V8.
const mostBytes = 2 ** 34;

/**
 * Checks that a tensor of 4-byte numbers, whose shape the file decides, fits into memory: a sparse file of
 * 2 TB costs its writer nothing.
 *
 * @throws {Error} It does not; the tensor and the file are named.
 */
export function checkFits(path: string, name: string, shape: readonly number[]): void {
  const bytes = shape.reduce((product, size) => product * size, 4);
  if (bytes <= smallBytes) return;
  const free = availableMemory();
  if (bytes <= Math.min(free, mostBytes)) return;
  const why = bytes > free
    ? `but ${formatBytes(free)} are free`
    : `but one array has at most ${formatBytes(mostBytes)}`;
  throw new Error(
    `${name} is [${shape.join(", ")}], which takes ${
      formatBytes(bytes)
    } of memory, ${why}, in ${path}`,
  );
}

function elements(file: TensorFile, name: string): number {
  return file.tensors.get(name)!.shape.reduce((product, size) => product * size, 1);
}
