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
import { createCpuWalker, createPlainWalker } from "./walk_on_cpu.ts";
import { splitRows } from "./weights.ts";

/** Entries that each row visits, in order. */
export interface Walk {
  /** Number of rows. */
  rows: number;
  /** [rows, d] the residual that each row's walk begins with. */
  base: Float32Array;
  /** [rows + 1] offsets into the entries. */
  rowOffsets: Uint32Array;
  /** Decoder row of each entry, counted through all decoders of the walker. */
  latents: Uint32Array;
  /** How much of its decoder row each entry takes away from the residual. */
  values: Float32Array;
  /** 1 where an entry meets the row's base again, not what the entries before it left. */
  restart?: Uint8Array;
}

/** Results of a walk. */
export interface Walked {
  /** r · w of each entry: r the residual before the entry, w its decoder row. */
  dots: Float32Array;
  /** [rows, d] the base's residual after the walk; only on request. */
  residual?: Float32Array;
}

/** Walks rows through sparse entries. Owns its buffers. */
export interface Walker {
  /**
   * Takes entry after entry away from each row's residual r: r ← r − values[j] · w. ‖r‖² changes by
   * −2 · values[j] · dots[j] + values[j]² ‖w‖².
   */
  run(walk: Walk, options?: { residual?: boolean }): Promise<Walked>;
  /** Frees the walker's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Prepares walks over the rows of one or more decoders, [m, d] each. Where all rows together fit into
 * one binding they stay on the GPU; otherwise each part of a walk brings the rows that it needs. Software
 * adapters are excluded: there a plain loop is faster.
 *
 * @throws {RangeError} One row is larger than a binding of the device.
 */
export function createWalker(
  device: Device,
  { dModel: d, decoders }: { dModel: number; decoders: Float32Array[] },
): Walker {
  if (isCpu(device)) return createCpuWalker(device, d, decoders);
  if (device.software) return createPlainWalker(d, decoders);
  const owned = createBuffers(device);
  try {
    const rows = decoders.reduce((sum, decoder) => sum + decoder.length / d, 0);
    const table = splitRows(device, rows, d).length === 1
      ? keepRows(device, owned, decoders)
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
  /**
   * Writes where the rows of entries `first` … `last` − 1 lie, and returns the end of those that
   * have a place: fewer than asked for where the table is full.
   */
  place(latents: Uint32Array, first: number, last: number, places: Uint32Array): number;
}

function keepRows(device: Device, owned: BufferSet, decoders: Float32Array[]): RowTable {
  const length = decoders.reduce((sum, decoder) => sum + decoder.length, 0);
  const buffer = owned.zeros("decoder rows", length);
  let start = 0;
  for (const decoder of decoders) {
    writeBuffer(device, buffer, decoder, start);
    start += decoder.length;
  }
  return {
    buffer,
    place(latents, first, last, places) {
      places.set(latents.subarray(first, last));
      return last;
    },
  };
}

function gatherRows(
  device: Device,
  owned: BufferSet,
  decoders: Float32Array[],
  d: number,
): RowTable {
  const rows = decoders.reduce((sum, decoder) => sum + decoder.length / d, 0);
  const capacity = splitRows(device, rows, d)[0].rows;
  const buffer = owned.zeros("decoder rows", capacity * d);
  const gathered = new Float32Array(capacity * d);
  const placeOf = new Uint32Array(rows);
  // The part of a walk that placed a row last: a row of another part has no place now.
  const placedIn = new Float64Array(rows);
  let part = 0;
  const rowOf = (latent: number): Float32Array => {
    for (const decoder of decoders) {
      const count = decoder.length / d;
      if (latent < count) return decoder.subarray(latent * d, (latent + 1) * d);
      latent -= count;
    }
    throw new RangeError(`there is no decoder row ${latent}`);
  };
  return {
    buffer,
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
  p.kernel(walkEntries({ d, restart: start !== undefined }), {
    sizes: { rows },
    bind: {
      ...{ offsets, places: place, values: value, w: table.buffer },
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
