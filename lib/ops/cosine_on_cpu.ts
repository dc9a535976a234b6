import { type BufferSet, createBuffers, readParts } from "../device/buffer.ts";
import type { Cpu } from "../device/cpu.ts";
import type { Ranges } from "../device/cpu_stage.ts";
import { createProgram, f32, i8, type Program, submit, u32, u8 } from "../device/program.ts";
import type { CosineSearchOptions } from "./cosine_options.ts";
import { roundLatents, roundSamples } from "./round_rows.ts";
import { BLOCK, type Compared, cosineScratch, findEdges, findMaxima } from "./screen_cosines.ts";
import { makeUnitRows, type UnitRows } from "./unit_rows.ts";

// Memory limits of a part's rows and of a block of columns, at 5 bytes per number, and of a part's edges.
const MAX_ROW_BYTES = 2 ** 24;
const MAX_COLUMN_BYTES = 2 ** 27;
const MAX_EDGE_BYTES = 2 ** 23;
// So that the edges of 256 rows fit, for any number of columns.
const MAX_COLUMNS = 2 ** 18;
// Multiplications in the first part: 20 ms with ONNX Runtime on two cores, 4 s with the plain loop.
const FIRST_PRODUCTS = 2 ** 33;

/** Buffers for some rows and a block of columns. */
interface Piece {
  p: Program;
  compared: Ranges<Compared>;
  /** Number of work items for the threads. */
  items: number;
}

/** `searchMaxima` on the CPU. */
export async function searchMaximaOnCpu(
  cpu: Cpu,
  from: UnitRows,
  to: UnitRows,
  { skipSame = false, ...options }: CosineSearchOptions & { skipSame?: boolean },
): Promise<{ cosine: Float32Array; nearest: Uint32Array }> {
  const cosine = new Float32Array(from.matrix.rows).fill(-2);
  const nearest = new Uint32Array(from.matrix.rows);
  await searchPieces(cpu, from, to, options, async ({ p, compared, items }) => {
    const { firstRow: first, n: length } = compared;
    const values = p.buffers.from("maxima", cosine.subarray(first, first + length));
    const indices = p.buffers.from("nearest", nearest.subarray(first, first + length));
    const found = { values: f32(values), indices: u32(indices), skipSame };
    p.loop(findMaxima, { ...compared, ...found }, items, 1);
    submit(cpu, await p.stages());
    const parts = await readParts(cpu, [values, indices].map((buffer) => ({ buffer, length })));
    cosine.set(new Float32Array(parts[0]), first);
    nearest.set(new Uint32Array(parts[1]), first);
  });
  return { cosine, nearest };
}

/** `searchEdges` on the CPU: edges are ordered by block of columns, then row, then column. */
export async function searchEdgesOnCpu(
  cpu: Cpu,
  from: UnitRows,
  to: UnitRows,
  least: number,
  edge: (fromRow: number, toRow: number) => void,
  options: CosineSearchOptions,
): Promise<void> {
  await searchPieces(cpu, from, to, options, async ({ p, compared, items }) => {
    const { firstRow, firstColumn, n, m } = compared;
    const words = Math.ceil(m / 32);
    const edges = p.buffers.zeros("edges", n * words);
    p.loop(findEdges, { ...compared, edges: u32(edges), words, least }, items, 1);
    submit(cpu, await p.stages());
    const [bits] = await readParts(cpu, [{ buffer: edges, length: n * words }]);
    const found = new Uint32Array(bits);
    for (let at = 0; at < found.length; at++) {
      for (let word = found[at]; word !== 0; word = (word & (word - 1)) >>> 0) {
        const lowest = 31 - Math.clz32(word & -word);
        edge(firstRow + Math.floor(at / words), firstColumn + at % words * 32 + lowest);
      }
    }
  });
}

/**
 * Splits a search into parts. They grow while they take less than 0.1 s, and shrink above 0.4 s; progress
 * is reported and the signal checked between them. Results do not depend on the parts.
 */
async function searchPieces(
  cpu: Cpu,
  from: UnitRows,
  to: UnitRows,
  { signal, onProgress }: CosineSearchOptions,
  run: (piece: Piece) => Promise<void>,
): Promise<void> {
  const d = from.matrix.cols;
  const [rows, total] = [from.matrix.rows, to.matrix.rows];
  const limit = Math.min(cpu.limits.maxBufferSize, cpu.limits.maxStorageBufferBindingSize);
  const fit = (bytes: number, each: number) => Math.max(1, Math.floor(bytes / each));
  const atOnce = Math.min(
    ...[total, MAX_COLUMNS, 32 * fit(limit, 4)],
    ...[fit(MAX_COLUMN_BYTES, 5 * d), fit(limit, 4 * d)],
  );
  let [wanted, candidates] = [0, 0];
  for (let column = 0; column < total; column += atOnce) {
    const m = Math.min(atOnce, total - column);
    using held = createBuffers(cpu);
    const columns = await roundColumns(cpu, held, to, column, m);
    const scratch = f32(held.zeros("scratch of the search", cpu.threads * cosineScratch(m)));
    const words = 4 * Math.ceil(m / 32);
    const most = Math.min(
      ...[fit(MAX_ROW_BYTES, 5 * d), fit(limit, 4 * d)],
      ...[fit(MAX_EDGE_BYTES, words), fit(limit, words)],
    );
    wanted ||= FIRST_PRODUCTS / (m * d);
    for (let row = 0; row < rows;) {
      signal?.throwIfAborted();
      const requested = Math.min(most, Math.max(BLOCK, Math.floor(wanted / BLOCK) * BLOCK));
      const n = Math.min(requested, rows - row);
      const started = performance.now();
      {
        using buffers = createBuffers(cpu);
        const p = createProgram(cpu, buffers);
        const counts = buffers.zeros("candidates", 1);
        // Two work items per thread, to balance the load.
        const blocks = Math.ceil(n / BLOCK / cpu.threads / 2);
        const compared = {
          ...appendRounding(p, from, row, n),
          ...columns,
          ...{ n, m, d, blocks, firstRow: row, firstColumn: column, counts: u32(counts), scratch },
        };
        await run({ p, compared, items: Math.ceil(n / BLOCK / blocks) });
        const [read] = await readParts(cpu, [{ buffer: counts, length: 1 }]);
        candidates += new Uint32Array(read)[0];
      }
      const elapsed = performance.now() - started;
      row += n;
      if (elapsed < 100 && n === requested) wanted = Math.min(2 * requested, most);
      else if (elapsed > 400) wanted = requested / 2;
      const done = column * rows + m * row;
      onProgress?.({ phase: "cosines", done, total: rows * total, candidates });
    }
  }
}

/** Appends stages that scale `count` rows from row `first` on to norm 1 and round them to 8 bits. */
function appendRounding(p: Program, rows: UnitRows, first: number, count: number) {
  const { x, bytes, ones, d, ...known } = appendUnitRows(p, p.buffers, rows, first, count);
  const rowBytes = i8(bytes);
  p.loop(
    roundSamples,
    { x, bytes: rowBytes, ...known, inverse: ones, rows: count, block: BLOCK, d },
    Math.ceil(count / BLOCK),
  );
  return { rows: x, rowBytes, rowScale: known.scale, rowError: known.error };
}

/** Scales `count` rows of the searched matrix to norm 1 and rounds them to 8 bits, in `buffers`. */
async function roundColumns(
  cpu: Cpu,
  buffers: BufferSet,
  rows: UnitRows,
  first: number,
  count: number,
) {
  using scratch = createBuffers(cpu);
  const p = createProgram(cpu, scratch);
  const { x: w, bytes, ones, d, ...known } = appendUnitRows(p, buffers, rows, first, count);
  const [columnBytes, groups] = [u8(bytes), Math.ceil(count / 64)];
  const peaks = f32(scratch.zeros("peaks", groups * d));
  p.loop(
    roundLatents,
    { w, bytes: columnBytes, ...known, balance: ones, peaks, latents: count, d },
    groups,
  );
  submit(cpu, await p.stages());
  return { columns: w, columnBytes, columnScale: known.scale, columnError: known.error };
}

/** Uploads rows, appends the stage that scales them to norm 1, and allocates their 8-bit form. */
function appendUnitRows(
  p: Program,
  buffers: BufferSet,
  { matrix: { data, cols: d } }: UnitRows,
  first: number,
  count: number,
) {
  const x = f32(buffers.from("unit rows", data.subarray(first * d, (first + count) * d)));
  p.loop(makeUnitRows, { x, d }, count);
  const numbers = (label: string) => f32(buffers.zeros(label, count));
  return {
    ...{ x, d },
    bytes: buffers.zeros("8-bit rows", Math.ceil(count * d / 4)),
    scale: numbers("8-bit scales"),
    norm: numbers("norms of rows"),
    error: numbers("8-bit errors"),
    // Columns are not balanced: two dictionaries of one model have the same large columns. A row of 6144 ×
    // 6144 needs 12 exact dots for normal numbers, and 49 to 137 where a few columns are 10 to 30 times as
    // large, which takes 0.1 s of 0.4 s.
    ones: f32(buffers.from("balance of columns", new Float32Array(d).fill(1))),
  };
}
