import type { Program } from "../device/program.ts";
import {
  denseLanes,
  LANE_COLUMNS,
  LANE_PANEL,
  LANE_ROWS,
  LANES,
} from "../../kernels/dense_lanes.ts";
import { denseTiled, TILE, TILE_EACH } from "../../kernels/dense_tiled.ts";
import type { Values } from "../../kernels/define.ts";
import { keepEdges, keepMaxima } from "../../kernels/epilogues.ts";
import { mergeMaxima } from "../../kernels/merge_maxima.ts";
import { type BufferSet, createBuffers, type DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { DeviceError } from "../device/errors.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Bound } from "../device/kernel.ts";
import { laneBuffers } from "./encode_in_lanes.ts";
import { packRows, type UnitRows } from "./unit_rows.ts";

/** Kernel of the cosine search: "lanes" on software adapters, else "tiled". */
export type CosineKernel = "lanes" | "tiled";

/** Consecutive rows of the searched matrix at norm 1, in GPU memory that this object owns. */
export interface CosineColumns {
  /** Kernel for whose layout they are stored. */
  kernel: CosineKernel;
  /** First row. */
  first: number;
  /** Number of rows. */
  count: number;
  /** Number of vec4 per row. */
  steps: number;
  /** The rows: for "lanes" in panels below one another, else row by row. */
  bound: { panels: GPUTextureView } | { w: DeviceBuffer };
  /** Frees them. */
  [Symbol.dispose](): void;
}

/** Output of a product. */
export type CosineOutput =
  | {
    mode: "maxima";
    /** [rows] the largest cosine and its column. */
    maxima: DeviceBuffer;
    which: DeviceBuffer;
    /** Whether row i is not compared with column i. */
    skipSame: boolean;
  }
  | {
    mode: "edges";
    /** `edgeWords` words of bits. */
    words: DeviceBuffer;
    threshold: number;
  };

/** Rows per tile: all tiles but the last have this many rows. */
export function rowTile(kernel: CosineKernel): number {
  return kernel === "lanes" ? LANE_ROWS : TILE;
}

/** Columns per workgroup, and per panel of columns. */
export function columnPanel(kernel: CosineKernel): number {
  return kernel === "lanes" ? LANE_PANEL : TILE;
}

/** Partial maxima per row of a product with `columns` columns: one per thread, which has 8 columns. */
function maximaSlots(kernel: CosineKernel, columns: number): number {
  const panel = columnPanel(kernel);
  return Math.ceil(columns / panel) * panel / LANE_COLUMNS;
}

/** Number of words for the edge bits of `rows` rows and `columns` columns. */
export function edgeWords(kernel: CosineKernel, rows: number, columns: number): number {
  const [tile, panel] = [rowTile(kernel), columnPanel(kernel)];
  return Math.ceil(rows / tile) * tile * Math.ceil(columns / panel) * panel / 32;
}

/** Calls `edge` with row and column of each bit that a product in mode "edges" has set. */
export function readEdges(
  kernel: CosineKernel,
  columns: number,
  bits: Uint32Array,
  edge: (row: number, column: number) => void,
): void {
  const lanes = kernel === "lanes";
  const slots = maximaSlots(kernel, columns);
  const rowsEach = lanes ? LANE_ROWS : TILE_EACH;
  const wordsEach = rowsEach * LANE_COLUMNS / 32;
  for (let at = 0; at < bits.length; at++) {
    let word = bits[at];
    if (word === 0) continue;
    const thread = Math.floor(at / wordsEach);
    const [down, slot] = [Math.floor(thread / slots), thread % slots];
    while (word !== 0) {
      const lowest = 31 - Math.clz32(word & -word);
      const bit = (at % wordsEach) * 32 + lowest;
      word = (word & (word - 1)) >>> 0;
      const v = bit % LANE_COLUMNS;
      const column = lanes
        ? Math.floor(slot / LANES) * LANE_PANEL + v * LANES + slot % LANES
        : slot * TILE_EACH + v;
      edge(down * rowsEach + Math.floor(bit / LANE_COLUMNS), column);
    }
  }
}

/** The kernel for an adapter. Rows of more than 8192 numbers do not fit into uniform buffers. */
export function chooseCosineKernel(device: Device, steps: number): CosineKernel {
  return device.software && laneBuffers(steps) !== undefined ? "lanes" : "tiled";
}

/**
 * Largest number of columns of one product, within the device's limits and `most` bytes, in whole panels.
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
  // Panels are below one another in a texture, whose sides have at most 8192 texels by default.
  const panels = kernel === "lanes"
    ? Math.min(
      Math.floor(8192 / steps),
      Math.floor(bytes / (LANE_ROWS * LANES * 4)),
      Math.floor(most / (steps * panel * 16)),
    )
    : Math.floor(bytes / Math.max(steps * panel * 16, TILE * (panel / TILE_EACH) * 4));
  if (panels < 1) {
    throw new DeviceError(
      `${panel} rows of ${steps * 4} numbers need ${steps * panel * 16} bytes at once, ` +
        `this device binds ${bytes}`,
    );
  }
  return panels * panel;
}

/** Uploads `count` unit rows from row `first` on, in the layout of a kernel's columns. */
export function createCosineColumns(
  device: Device,
  kernel: CosineKernel,
  rows: UnitRows,
  first: number,
  count: number,
): CosineColumns {
  const panel = columnPanel(kernel);
  const { steps } = rows;
  const packed = packRows(rows, first, count, kernel === "lanes" ? panel : 1);
  const buffers = createBuffers(device);
  try {
    const bound = kernel === "tiled"
      ? { w: buffers.from("columns", packed) }
      : { panels: layPanels(device, buffers, packed, panel) };
    return {
      ...{ kernel, first, count, steps, bound },
      [Symbol.dispose]: () => buffers[Symbol.dispose](),
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}

// Panels below one another: a row of the texture has one vec4 of each column of a panel.
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
 * Compares `count` unit rows from row `first` on with columns, and writes each row's largest cosine and
 * its column into `output`, or bits of the cosines that reach a threshold. Cosines are the same numbers
 * in both modes: float32, summed in order, clamped to [−1, 1].
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
  const { kernel } = columns;
  const slots = maximaSlots(kernel, columns.count);
  const step = rowsAtOnce(p.device, kernel, slots);
  const room = output.mode === "edges" ? 0 : Math.min(step, count) * slots;
  const values = p.buffers.zeros("partial maxima", room);
  const indices = p.buffers.zeros("partial nearest", room);
  for (let done = 0; done < count; done += step) {
    const part = { rows, first: first + done, count: Math.min(step, count - done), columns };
    const multiply = (end: End) =>
      "panels" in columns.bound
        ? multiplyLanes(p, columns.bound.panels, part, end)
        : multiplyTiles(p, columns.bound.w, part, end);
    if (output.mode === "edges") {
      const { words, threshold } = output;
      const out = edgeWords(kernel, done, columns.count);
      multiply({ mode: "edges", sizes: { out, threshold }, bind: { words } });
      continue;
    }
    const { maxima, which, skipSame } = output;
    const [firstIndex, firstColumn] = [part.first, columns.first];
    const sizes = { firstIndex, firstColumn, skipSame: skipSame ? 1 : 0 };
    multiply({ mode: "maxima", sizes, bind: { values, indices } });
    p.kernel(mergeMaxima(), {
      sizes: { rows: part.count, slots, firstOut: done },
      bind: { values, indices, maxima, which },
      workgroups: part.count,
    });
  }
}

/** Rows per dispatch: 16 for "lanes", else as many as give 8 MiB of partial maxima. */
function rowsAtOnce(device: Device, kernel: CosineKernel, slots: number): number {
  if (kernel === "lanes") return LANE_ROWS;
  const bytes = Math.min(2 ** 23, device.limits.maxStorageBufferBindingSize);
  return Math.max(1, Math.floor(bytes / (slots * 4 * TILE))) * TILE;
}

interface Part {
  rows: UnitRows;
  first: number;
  count: number;
  columns: CosineColumns;
}

/** Sizes and bindings of a product's epilogue. */
type End =
  | {
    mode: "maxima";
    sizes: Values<typeof keepMaxima["sizes"]>;
    bind: Bound<typeof keepMaxima["bind"]>;
  }
  | {
    mode: "edges";
    sizes: Values<typeof keepEdges["sizes"]>;
    bind: Bound<typeof keepEdges["bind"]>;
  };

function multiplyLanes(
  p: Program,
  panels: GPUTextureView,
  { rows: unit, first, count: rows, columns: { count: cols } }: Part,
  end: End,
): void {
  const { steps } = unit;
  const buffers = laneBuffers(steps)!;
  const packed = new Float32Array(LANE_ROWS * steps * 4);
  packed.set(packRows(unit, first, rows, 1));
  const length = packed.length / buffers;
  const own = Array.from(
    { length: buffers },
    (_, at) => p.buffers.uniform("rows", packed.subarray(at * length, (at + 1) * length)),
  );
  const room = { buffers, vectors: LANE_ROWS / buffers * steps };
  const sizes = { rows, cols, steps };
  const bind = { panels, rows: own };
  const workgroups = Math.ceil(cols / LANE_PANEL);
  if (end.mode === "maxima") {
    const work = { sizes: { ...sizes, ...end.sizes }, bind: { ...bind, ...end.bind }, workgroups };
    p.kernel(denseLanes({ ...room, epilogue: keepMaxima }), work);
  } else {
    const work = { sizes: { ...sizes, ...end.sizes }, bind: { ...bind, ...end.bind }, workgroups };
    p.kernel(denseLanes({ ...room, epilogue: keepEdges }), work);
  }
}

function multiplyTiles(
  p: Program,
  w: DeviceBuffer,
  { rows: unit, first, count: rows, columns: { count: cols } }: Part,
  end: End,
): void {
  const d = unit.steps * 4;
  const sizes = { rows, cols, firstRow: 0 };
  const bind = { x: p.buffers.from("rows", packRows(unit, first, rows, 1)), w };
  const workgroups = Math.ceil(rows / TILE) * Math.ceil(cols / TILE);
  if (end.mode === "maxima") {
    const work = { sizes: { ...sizes, ...end.sizes }, bind: { ...bind, ...end.bind }, workgroups };
    p.kernel(denseTiled({ d, epilogue: keepMaxima }), work);
  } else {
    const work = { sizes: { ...sizes, ...end.sizes }, bind: { ...bind, ...end.bind }, workgroups };
    p.kernel(denseTiled({ d, epilogue: keepEdges }), work);
  }
}
