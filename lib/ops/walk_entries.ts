import { walkEntries } from "../../kernels/walk_entries.ts";
import {
  type BufferSet,
  createBuffers,
  type DeviceBuffer,
  readFloats,
  writeBuffer,
} from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { createProgram, submit } from "../device/program.ts";
import type { UploadedRows, Walk, Walked, Walker } from "./walk.ts";
import { createCpuWalker, createPlainWalker } from "./walk_on_cpu.ts";
import { splitRows } from "./weights.ts";

/**
 * Creates a walker over the rows of two decoders, [m, d] each, that are on the device and are not uploaded
 * again. If one of them is larger than a binding, each part of a walk uploads the rows that it needs.
 * Software adapters use a plain loop, which is faster there.
 *
 * @throws {RangeError} One row is larger than a binding of the device.
 */
export function createWalker(
  device: Device,
  { dModel: d, decoders }: { dModel: number; decoders: readonly [UploadedRows, UploadedRows] },
): Walker {
  if (isCpu(device)) return createCpuWalker(device, d, decoders);
  if (device.software) return createPlainWalker(d, decoders);
  const owned = createBuffers(device);
  try {
    const table = decoders.every(({ shards }) => shards.length === 1)
      ? heldRows(d, decoders)
      : gatherRows(device, owned, decoders, d);
    return {
      run: (walk, { residual = false } = {}) => runWalk(device, d, table, walk, residual),
      [Symbol.dispose]: () => owned[Symbol.dispose](),
    };
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}

/** Decoder rows on the GPU. */
interface RowTable {
  buffer: DeviceBuffer;
  /** The rows of places from `split` on; absent where all are in `buffer`. */
  more?: DeviceBuffer;
  split: number;
  /**
   * Writes where the rows of entries `first` … `last` − 1 lie, and returns the end of those that
   * have a place: fewer than requested for where the table is full.
   */
  place(latents: Uint32Array, first: number, last: number, places: Uint32Array): number;
}

/** The decoders' own buffers. */
function heldRows(d: number, [first, second]: readonly [UploadedRows, UploadedRows]): RowTable {
  return {
    buffer: first.shards[0].wDec,
    more: second.shards[0].wDec,
    split: first.rows.length / d,
    place(latents, from, to, places) {
      places.set(latents.subarray(from, to));
      return to;
    },
  };
}

function gatherRows(
  device: Device,
  owned: BufferSet,
  [one, other]: readonly [UploadedRows, UploadedRows],
  d: number,
): RowTable {
  const [ones, others] = [one.rows.length / d, other.rows.length / d];
  const capacity = splitRows(device, ones + others, d)[0].rows;
  const buffer = owned.zeros("decoder rows", capacity * d);
  const gathered = new Float32Array(capacity * d);
  const placeOf = new Uint32Array(ones + others);
  // The part of a walk that placed a row last: a row of another part has no place now.
  const placedIn = new Float64Array(ones + others);
  let part = 0;
  const rowOf = (latent: number): Float32Array => {
    const [rows, at] = latent < ones ? [one.rows, latent] : [other.rows, latent - ones];
    return rows.subarray(at * d, (at + 1) * d);
  };
  return {
    buffer,
    split: 0,
    place(latents, first, last, places) {
      part++;
      let taken = 0;
      let at = first;
      for (; at < last; at++) {
        const latent = latents[at];
        if (placedIn[latent] !== part) {
          if (taken === capacity) break;
          gathered.set(rowOf(latent), taken * d);
          placeOf[latent] = taken++;
          placedIn[latent] = part;
        }
        places[at - first] = placeOf[latent];
      }
      writeBuffer(device, buffer, gathered.subarray(0, taken * d));
      return at;
    },
  };
}

async function runWalk(
  device: Device,
  d: number,
  table: RowTable,
  walk: Walk,
  wantsResidual: boolean,
): Promise<Walked> {
  const { rowOffsets, base } = walk;
  const dots = new Float32Array(walk.latents.length);
  const residual = wantsResidual ? new Float32Array(walk.rows * d) : undefined;
  // 2: the offsets, one more than rows, must fit into a binding too.
  for (const { first, rows } of splitRows(device, walk.rows, Math.max(2, d))) {
    using buffers = createBuffers(device);
    const own = base.subarray(first * d, (first + rows) * d);
    const left = buffers.from("residual", own);
    const range = { first, rows, begin: rowOffsets[first], end: rowOffsets[first + rows] };
    if (range.begin < range.end) {
      const start = walk.restart && buffers.from("base", own);
      await walkRows(device, buffers, { d, table, walk, range, left, start, dots });
    }
    residual?.set(await readFloats(device, left, rows * d), first * d);
  }
  return { dots, ...(residual ? { residual } : {}) };
}

async function walkRows(
  device: Device,
  buffers: BufferSet,
  { d, table, walk, range: { first, rows, begin, end }, left, start, dots }: {
    d: number;
    table: RowTable;
    walk: Walk;
    range: { first: number; rows: number; begin: number; end: number };
    left: DeviceBuffer;
    start: DeviceBuffer | undefined;
    dots: Float32Array;
  },
): Promise<void> {
  const { latents, values, rowOffsets, restart } = walk;
  const most = splitRows(device, end - begin, 1)[0].rows;
  const offsets = buffers.zeros("entry offsets", rows + 1);
  const place = buffers.zeros("entry places", most);
  const value = buffers.zeros("entry values", most);
  const dot = buffers.zeros("entry dots", most);
  const p = createProgram(device, buffers);
  p.kernel(walkEntries({ d, restart: start !== undefined, two: table.more !== undefined }), {
    sizes: { rows, split: table.split },
    bind: {
      ...{ offsets, places: place, values: value, w: table.buffer, more: table.more },
      ...{ residual: left, dots: dot, base: start },
    },
    workgroups: rows,
  });
  const stages = await p.stages();
  const places = new Uint32Array(most);
  // A part may end within a row: the next part continues with its residual.
  for (let from = begin; from < end;) {
    const to = table.place(latents, from, Math.min(end, from + most), places);
    if (restart) {
      for (let at = from; at < to; at++) if (restart[at]) places[at - from] |= 0x80000000;
    }
    const within = (offset: number) => Math.min(Math.max(offset, from), to) - from;
    writeBuffer(device, offsets, rowOffsets.slice(first, first + rows + 1).map(within));
    writeBuffer(device, place, places.subarray(0, to - from));
    writeBuffer(device, value, values.subarray(from, to));
    submit(device, stages);
    dots.set(await readFloats(device, dot, to - from), from);
    from = to;
  }
}
