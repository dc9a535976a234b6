import type { Program } from "../device/program.ts";
import {
  cosineLanes,
  LANE_PANEL,
  LANE_ROWS,
  LANE_VECTORS,
  LANE_WORDS,
  LANES,
} from "../../kernels/cosine_lanes.ts";
import { cosineTiled, TILE } from "../../kernels/cosine_tiled.ts";
import { mergeMaxima } from "../../kernels/merge_maxima.ts";
import { type BufferSet, createBuffers, type DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { DeviceError } from "../device/errors.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Bindings } from "../device/kernel.ts";
import { packRows, type UnitRows } from "./unit_rows.ts";
import { words } from "./words.ts";

/** Which of the two kernels serves: "lanes" on software adapters, else "tiled". */
export type CosineKernel = "lanes" | "tiled";

/** Consecutive rows of the searched matrix, on the GPU at norm 1. Owns GPU memory. */
export interface CosineColumns {
  /** Which kernel they are laid out for. */
  kernel: CosineKernel;
  /** First of them. */
  first: number;
  /** How many. */
  count: number;
  /** Vectors of four numbers that hold one of them. */
  steps: number;
  /** What a kernel is bound to. */
  bound: Bindings[number];
  /** Frees them. */
  [Symbol.dispose](): void;
}

/** Where a product puts what it finds. */
export type CosineOutput =
  | {
    mode: "maxima";
    /** Room for [rows of one dispatch, slots]: see `maximaSlots`. */
    values: DeviceBuffer;
    indices: DeviceBuffer;
    /** [rows] the largest cosine and its column. */
    maxima: DeviceBuffer;
    which: DeviceBuffer;
    /** Whether row i is not compared with column i. */
    skipSame: boolean;
  }
  | {
    mode: "edges";
    /** Room for `edgeWords` numbers. */
    words: DeviceBuffer;
    threshold: number;
  };

/** Rows of a dispatch: rows that are compared come in multiples of it, but for the last. */
export function rowTile(kernel: CosineKernel): number {
  return kernel === "lanes" ? LANE_ROWS : TILE;
}

/** Columns of a workgroup: columns lie in panels of that many. */
export function columnPanel(kernel: CosineKernel): number {
  return kernel === "lanes" ? LANE_PANEL : TILE;
}

/** Partial maxima a row that a product with `columns` columns leaves. */
export function maximaSlots(kernel: CosineKernel, columns: number): number {
  const panels = Math.ceil(columns / columnPanel(kernel));
  return kernel === "lanes" ? panels * LANES : panels;
}

/** Words of the edges' bits of `rows` rows and `columns` columns. */
export function edgeWords(kernel: CosineKernel, rows: number, columns: number): number {
  const [tile, panel] = [rowTile(kernel), columnPanel(kernel)];
  return Math.ceil(rows / tile) * tile * Math.ceil(columns / panel) * panel / 32;
}

/** Calls `edge` for every bit that a product in mode "edges" has set: row and column in the product. */
export function readEdges(
  kernel: CosineKernel,
  columns: number,
  bits: Uint32Array,
  edge: (row: number, column: number) => void,
): void {
  const panels = Math.ceil(columns / columnPanel(kernel));
  const lanes = kernel === "lanes";
  const [threads, wordsEach] = lanes ? [LANES, LANE_WORDS] : [256, 2];
  for (let at = 0; at < bits.length; at++) {
    let word = bits[at];
    if (word === 0) continue;
    const owner = Math.floor(at / wordsEach);
    const thread = owner % threads;
    const tile = Math.floor(owner / threads);
    const [down, panel] = [Math.floor(tile / panels), tile % panels];
    while (word !== 0) {
      const lowest = 31 - Math.clz32(word & -word);
      const bit = (at % wordsEach) * 32 + lowest;
      word = (word & (word - 1)) >>> 0;
      if (lanes) {
        const column = panel * LANE_PANEL + bit % LANE_VECTORS * LANES + thread;
        edge(down * LANE_ROWS + Math.floor(bit / LANE_VECTORS), column);
      } else {
        const row = down * TILE + (thread >> 4) * 8 + (bit >> 3);
        edge(row, panel * TILE + (thread & 15) * 8 + (bit & 7));
      }
    }
  }
}

// 16 rows share up to 64 KiB a uniform buffer; of those a kernel may have 12, one is for sizes.
function rowBuffers(steps: number): number | undefined {
  return [1, 2, 4, 8].find((buffers) => LANE_ROWS / buffers * steps * 16 <= 65536);
}

/** The kernel for an adapter. Rows of more than 8192 numbers do not fit into uniform buffers. */
export function chooseCosineKernel(device: Device, steps: number): CosineKernel {
  return device.software && rowBuffers(steps) !== undefined ? "lanes" : "tiled";
}

/**
 * Most columns that one product can take, within the device's limits and `most` bytes, in whole panels.
 *
 * @throws {DeviceError} Not one panel fits.
 */
export function columnsAtOnce(
  device: Device,
  kernel: CosineKernel,
  steps: number,
  most: number,
): number {
  const panel = columnPanel(kernel);
  const bytes = Math.min(
    most,
    device.limits.maxStorageBufferBindingSize,
    device.limits.maxBufferSize,
  );
  // Panels stand below one another in a texture, whose sides have at most 8192 texels by default.
  const panels = kernel === "lanes"
    ? Math.min(
      Math.floor(8192 / steps),
      Math.floor(bytes / (LANE_ROWS * LANES * 4)),
      Math.floor(most / (steps * panel * 16)),
    )
    : Math.floor(bytes / (steps * panel * 16));
  if (panels < 1) {
    throw new DeviceError(
      `${panel} rows of ${steps * 4} numbers need ${steps * panel * 16} bytes at once, ` +
        `this device binds ${bytes}`,
    );
  }
  return panels * panel;
}

/** Puts `count` unit rows from row `first` on where a kernel looks for its columns. */
export function createCosineColumns(
  device: Device,
  kernel: CosineKernel,
  rows: UnitRows,
  first: number,
  count: number,
): CosineColumns {
  const panel = columnPanel(kernel);
  const { steps } = rows;
  const packed = packRows(rows, first, count, panel);
  const buffers = createBuffers(device);
  try {
    const bound = kernel === "tiled"
      ? buffers.from("columns", packed)
      : layPanels(device, buffers, packed, panel);
    return {
      ...{ kernel, first, count, steps, bound },
      [Symbol.dispose]: () => buffers[Symbol.dispose](),
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}

// Panels below one another: a row of the texture is a vector of each column of a panel.
function layPanels(
  device: Device,
  buffers: BufferSet,
  packed: Float32Array,
  panel: number,
): GPUTextureView {
  const height = packed.length / 4 / panel;
  const texture = buffers.texture("columns", panel, height);
  const layout = { bytesPerRow: panel * 16 };
  (device as Gpu).device.queue.writeTexture({ texture }, packed as BufferSource, layout, [
    panel,
    height,
  ]);
  return texture.createView();
}

/**
 * Compares `count` unit rows from row `first` on with columns: puts each row's largest cosine and the
 * column that has it into `output`, or the bits of the cosines that reach a threshold. A cosine is the
 * same number in both modes: float32, summed in the order of the numbers, cut to [−1, 1].
 */
export function compareRows(
  p: Program,
  { rows, first, count, columns, output }: {
    rows: UnitRows;
    first: number;
    count: number;
    columns: CosineColumns;
    output: CosineOutput;
  },
): void {
  const tile = rowTile(columns.kernel);
  // Lanes take 16 rows a dispatch, tiles as many as there are.
  const step = columns.kernel === "lanes" ? tile : count;
  for (let done = 0; done < count; done += step) {
    const part = { rows, first: first + done, count: Math.min(step, count - done) };
    const multiply: typeof multiplyLanes = columns.kernel === "lanes"
      ? multiplyLanes
      : multiplyTiles;
    multiply(p, { ...part, done, columns, output });
    if (output.mode === "edges") continue;
    const slots = maximaSlots(columns.kernel, columns.count);
    const sizes = p.buffers.uniform("merge maxima sizes", words([part.count, slots, done]));
    const { values, indices, maxima, which } = output;
    const bound = [sizes, values, indices, maxima, which];
    p.kernel("merge maxima", mergeMaxima(), bound, part.count);
  }
}

interface Part {
  rows: UnitRows;
  first: number;
  count: number;
  /** Rows of the piece before this part. */
  done: number;
  columns: CosineColumns;
  output: CosineOutput;
}

function multiplyLanes(
  p: Program,
  { rows, first, count, done, columns, output }: Part,
): void {
  const { steps } = rows;
  const bindings = rowBuffers(steps)!;
  const packed = new Float32Array(LANE_ROWS * steps * 4);
  packed.set(packRows(rows, first, count, 1));
  const length = packed.length / bindings;
  const panels = Math.ceil(columns.count / LANE_PANEL);
  const out = output.mode === "edges" ? done / LANE_ROWS * panels * LANES * LANE_WORDS : 0;
  const sizes = p.buffers.uniform(
    "cosine sizes",
    words([count, columns.count, first, columns.first, out, skipSame(output)], [limit(output)]),
  );
  const rowParts = Array.from(
    { length: bindings },
    (_, at) => p.buffers.uniform("rows", packed.subarray(at * length, (at + 1) * length)),
  );
  const bound = [sizes, columns.bound, ...outputs(output), ...rowParts];
  const code = cosineLanes({ steps, buffers: bindings, mode: output.mode });
  p.kernel(`cosine lanes, ${output.mode}`, code, bound, panels);
}

function multiplyTiles(
  p: Program,
  { rows, first, count, columns, output }: Part,
): void {
  const sizes = p.buffers.uniform(
    "cosine sizes",
    words(
      [count, columns.count, first, columns.first, rows.steps, skipSame(output)],
      [limit(output)],
    ),
  );
  const lines = p.buffers.from("rows", packRows(rows, first, count, TILE));
  const bound = [sizes, lines, columns.bound, ...outputs(output)];
  const code = cosineTiled({ mode: output.mode });
  const tiles = Math.ceil(count / TILE) * Math.ceil(columns.count / TILE);
  p.kernel(`cosine tiled, ${output.mode}`, code, bound, tiles);
}

const skipSame = (output: CosineOutput) => output.mode === "maxima" && output.skipSame ? 1 : 0;
const limit = (output: CosineOutput) => output.mode === "edges" ? output.threshold : 0;
const outputs = (output: CosineOutput) =>
  output.mode === "maxima" ? [output.values, output.indices] : [output.words];
