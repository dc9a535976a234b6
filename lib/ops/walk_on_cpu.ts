import { createBuffers, readFloats } from "../device/buffer.ts";
import type { Cpu } from "../device/cpu.ts";
import { createProgram, f32, submit, u32 } from "../device/program.ts";
import type { UploadedRows, Walk, Walked, Walker } from "./walk.ts";

/** Set in the decoder row of an entry that meets its row's base again. */
const RESTART = 0x80000000;

/** Arguments of {@linkcode walkOnCpu}. */
export interface CpuWalk {
  /** [rows, d] the residual that each row's walk begins with. */
  base: Float32Array;
  /** [rows + 1] offsets into the entries. */
  offsets: Uint32Array;
  /** Decoder row of each entry; the top bit is set where it meets the base again. */
  places: Uint32Array;
  values: Float32Array;
  /** [split, d] the decoder rows before `split`. */
  decoder: Float32Array;
  /** [m − split, d] those from there on. */
  more: Float32Array;
  split: number;
  dots: Float32Array;
  /** [rows, d] the base's residual; absent if not requested. */
  left: Float32Array | undefined;
  d: number;
}

/**
 * The loop of a walk, over rows. Residuals are float64 during the walk, so that rounding errors do not grow
 * with the number of entries.
 */
export function walkOnCpu(
  { base, offsets, places, values, decoder, more, split, dots, left, d }: CpuWalk,
  from: number,
  to: number,
): void {
  const r = new Float64Array(d);
  for (let row = from; row < to; row++) {
    const own = base.subarray(row * d, (row + 1) * d);
    r.set(own);
    for (let at = offsets[row]; at < offsets[row + 1]; at++) {
      if (places[at] >= RESTART) r.set(own);
      const place = places[at] & ~RESTART;
      const isFirst = place < split;
      const w = isFirst ? decoder : more;
      const first = (isFirst ? place : place - split) * d;
      const value = values[at];
      let dot = 0;
      for (let c = 0; c < d; c++) {
        const weight = w[first + c];
        dot += r[c] * weight;
        r[c] -= value * weight;
      }
      dots[at] = dot;
    }
    left?.set(r, row * d);
  }
}

/** The entries' decoder rows with the restarts in their top bits. */
function placesOf({ latents, restart }: Walk): Uint32Array {
  return restart
    ? latents.map((latent, at) => restart[at] ? (latent | RESTART) >>> 0 : latent)
    : latents;
}

/**
 * The walker of the CPU device: rows are shared by all threads. The decoders are read where the device holds
 * them.
 *
 * @param d Width of the rows.
 */
export function createCpuWalker(
  cpu: Cpu,
  d: number,
  [first, second]: readonly [UploadedRows, UploadedRows],
): Walker {
  return {
    async run(walk, { residual = false } = {}) {
      using buffers = createBuffers(cpu);
      const { rows, latents } = walk;
      const dots = buffers.zeros("entry dots", Math.max(1, latents.length));
      const left = residual ? buffers.zeros("residual", Math.max(1, rows * d)) : undefined;
      const p = createProgram(cpu, buffers);
      p.loop(walkOnCpu, {
        base: f32(buffers.from("base", walk.base)),
        offsets: u32(buffers.from("entry offsets", walk.rowOffsets)),
        places: u32(buffers.from("entry places", placesOf(walk))),
        values: f32(buffers.from("entry values", walk.values)),
        // The CPU's loops take weights whole: there is one shard.
        ...{ decoder: f32(first.shards[0].wDec), more: f32(second.shards[0].wDec) },
        split: first.rows.length / d,
        ...{ dots: f32(dots), left: left && f32(left), d },
      }, rows);
      submit(cpu, await p.stages());
      return {
        dots: await readFloats(cpu, dots, latents.length),
        ...left ? { residual: await readFloats(cpu, left, rows * d) } : {},
      };
    },
    [Symbol.dispose]() {},
  };
}

/**
 * The walker of software adapters: the same loop on the calling thread. They run kernels on the same
 * processor, where one in 64 lanes takes some 14 times as long (4096 rows, 64 entries each, d 128: 2.8 s
 * against 0.2 s).
 */
export function createPlainWalker(
  d: number,
  [{ rows: decoder }, { rows: more }]: readonly [UploadedRows, UploadedRows],
): Walker {
  const split = decoder.length / d;
  const run = (walk: Walk, residual: boolean): Walked => {
    const dots = new Float32Array(walk.latents.length);
    const left = residual ? new Float32Array(walk.rows * d) : undefined;
    const { base, rowOffsets: offsets, values, rows } = walk;
    const places = placesOf(walk);
    walkOnCpu({ base, offsets, places, values, decoder, more, split, dots, left, d }, 0, rows);
    return { dots, ...(left ? { residual: left } : {}) };
  };
  return {
    run: (walk, { residual = false } = {}) => Promise.resolve().then(() => run(walk, residual)),
    [Symbol.dispose]() {},
  };
}
