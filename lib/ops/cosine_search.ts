import { type BufferSet, createBuffers, readParts } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { createProgram, submit } from "../device/program.ts";
import {
  chooseCosineKernel,
  columnPanel,
  columnsAtOnce,
  compareRows,
  type CosineColumns,
  type CosineKernel,
  createCosineColumns,
  edgeWords,
  readEdges,
  rowTile,
} from "./cosine.ts";
import { searchEdgesOnCpu, searchMaximaOnCpu } from "./cosine_on_cpu.ts";
import type { UnitRows } from "./unit_rows.ts";
import type { CosineSearchOptions } from "./cosine_options.ts";

/** A part of a search: `count` rows from row `first` on, and columns on the GPU. */
interface Piece {
  first: number;
  count: number;
  columns: CosineColumns;
  buffers: BufferSet;
}

// Columns that are on the GPU at a time: one binding of WebGPU's defaults.
const MAX_COLUMN_BYTES = 2 ** 27;
// Memory of a part's rows and results.
const MAX_PIECE_BYTES = 2 ** 24;
// A part of 4 GFLOP takes half a second on a slow software adapter.
const FIRST_FLOPS = 2 ** 32;

/**
 * For each row of `from`, the largest cosine with any row of `to`, and that row: of equals the one with
 * the lowest index. With `skipSame` row i is not compared with row i.
 *
 * A GPU multiplies all pairs. The CPU screens them by 8-bit products and computes exact dots of the
 * remaining candidates (cosine_on_cpu.ts), with the same bits on all machines and for any number of
 * workers.
 *
 * Device memory is at most 128 MiB of `to` and some 32 MiB more, for any sizes.
 */
export async function searchMaxima(
  device: Device,
  from: UnitRows,
  to: UnitRows,
  { skipSame = false, ...options }: CosineSearchOptions & { skipSame?: boolean } = {},
): Promise<{ cosine: Float32Array; nearest: Uint32Array }> {
  if (isCpu(device)) return await searchMaximaOnCpu(device, from, to, { ...options, skipSame });
  const cosine = new Float32Array(from.matrix.rows).fill(-2);
  const nearest = new Uint32Array(from.matrix.rows);
  await searchPieces(device, from, to, options, async ({ first, count, columns, buffers }) => {
    const maxima = buffers.zeros("maxima", count);
    const which = buffers.zeros("nearest", count);
    const output = { mode: "maxima" as const, maxima, which, skipSame };
    const p = createProgram(device, buffers);
    compareRows(p, { rows: from, first, count, columns, output });
    submit(device, await p.stages());
    const parts = await readParts(
      device,
      [maxima, which].map((buffer) => ({ buffer, length: count })),
    );
    const values = new Float32Array(parts[0]);
    const indices = new Uint32Array(parts[1]);
    // Columns are in ascending order: of equals the first counts.
    for (let r = 0; r < count; r++) {
      if (values[r] <= cosine[first + r]) continue;
      cosine[first + r] = values[r];
      nearest[first + r] = indices[r];
    }
  });
  return { cosine, nearest };
}

/**
 * Calls `edge` for each pair of rows whose cosine is at least `threshold`. The device returns one bit per
 * pair, a few MiB at a time, so that the number of edges is not limited. Their order is fixed per device,
 * but not sorted.
 */
export async function searchEdges(
  device: Device,
  from: UnitRows,
  to: UnitRows,
  threshold: number,
  edge: (fromRow: number, toRow: number) => void,
  options: CosineSearchOptions = {},
): Promise<void> {
  const least = ceilFloat32(threshold);
  if (isCpu(device)) return await searchEdgesOnCpu(device, from, to, least, edge, options);
  await searchPieces(device, from, to, options, async ({ first, count, columns, buffers }) => {
    const length = edgeWords(columns.kernel, count, columns.count);
    const words = buffers.zeros("edges", length);
    const output = { mode: "edges" as const, words, threshold: least };
    const p = createProgram(device, buffers);
    compareRows(p, { rows: from, first, count, columns, output });
    submit(device, await p.stages());
    const [bits] = await readParts(device, [{ buffer: words, length }]);
    readEdges(columns.kernel, columns.count, new Uint32Array(bits), (row, column) => {
      edge(first + row, columns.first + column);
    });
  });
}

/** The smallest float32 number ≥ `value`: a float32 number reaches both or neither. */
export function ceilFloat32(value: number): number {
  const near = Math.fround(value);
  if (near >= value) return near;
  const bits = new Int32Array(new Float32Array([near]).buffer);
  // Towards +∞: away from zero for positive numbers, towards it for negative ones.
  bits[0] += near >= 0 ? 1 : -1;
  return new Float32Array(bits.buffer)[0];
}

/**
 * Splits a search into parts, one submission each: all rows with one block of columns after another.
 * Parts grow while they take less than 0.1 s and shrink above 0.4 s, because graphics drivers end a
 * submission that takes seconds. Results do not depend on the parts.
 */
async function searchPieces(
  device: Device,
  from: UnitRows,
  to: UnitRows,
  options: CosineSearchOptions,
  run: (piece: Piece) => Promise<void>,
): Promise<void> {
  const { signal, onProgress } = options;
  const { steps } = from;
  const kernel = options.kernel ?? chooseCosineKernel(device, steps);
  const [rows, total] = [from.matrix.rows, to.matrix.rows];
  const atOnce = columnsAtOnce(device, kernel, steps, MAX_COLUMN_BYTES);
  const tile = rowTile(kernel);
  let wanted = 0;
  for (let column = 0; column < total; column += atOnce) {
    const count = Math.min(atOnce, total - column);
    using columns = createCosineColumns(device, kernel, to, column, count);
    const most = maxRows(device, kernel, steps, count);
    wanted ||= FIRST_FLOPS / (2 * count * steps * 4);
    for (let row = 0; row < rows;) {
      signal?.throwIfAborted();
      const requested = Math.min(most, Math.max(tile, Math.floor(wanted / tile) * tile));
      const piece = Math.min(requested, rows - row);
      const started = performance.now();
      {
        using buffers = createBuffers(device);
        await run({ first: row, count: piece, columns, buffers });
      }
      const elapsed = performance.now() - started;
      row += piece;
      if (elapsed < 100 && piece === requested) wanted = Math.min(2 * requested, most);
      else if (elapsed > 400) wanted = requested / 2;
      onProgress?.({ phase: "cosines", done: column * rows + count * row, total: rows * total });
    }
  }
}

// Rows whose numbers and edges fit into a part and into the device's bindings.
function maxRows(device: Device, kernel: CosineKernel, steps: number, columns: number): number {
  const bytes = Math.min(MAX_PIECE_BYTES, device.limits.maxStorageBufferBindingSize);
  const tile = rowTile(kernel);
  const panels = Math.ceil(columns / columnPanel(kernel));
  const edges = panels * columnPanel(kernel) / 8;
  const rows = Math.floor(bytes / Math.max(steps * 16, edges));
  return Math.max(tile, Math.floor(rows / tile) * tile);
}
