import { createBuffers, readFloats } from "../device/buffer.ts";
import type { Cpu } from "../device/cpu.ts";
import { createProgram, f32, submit, u32 } from "../device/program.ts";
import type { Walk, Walked, Walker } from "./walk_entries.ts";

/** Set in the decoder row of an entry that meets its row's base again. */
const RESTART = 0x80000000;

/** What {@linkcode walkOnCpu} is given. */
export interface CpuWalk {
  /** [rows, d] the residual that each row's walk begins with. */
  base: Float32Array;
  /** [rows + 1] offsets into the entries. */
  offsets: Uint32Array;
  /** Decoder row of each entry; the top bit is set where it meets the base again. */
  places: Uint32Array;
  values: Float32Array;
  /** [m, d] the decoder rows. */
  decoder: Float32Array;
  dots: Float32Array;
  /** [rows, d] the base's residual; absent if not requested. */
  left: Float32Array | undefined;
  d: number;
}

/**
 * The loop of a walk, over rows. Residuals are float64 on the way: rounding does not grow with the number of
 * entries.
 */
export function walkOnCpu(
  { base, offsets, places, values, decoder, dots, left, d }: CpuWalk,
  from: number,
  to: number,
): void {
  const r = new Float64Array(d);
  for (let row = from; row < to; row++) {
    const own = base.subarray(row * d, (row + 1) * d);
    r.set(own);
    for (let at = offsets[row]; at < offsets[row + 1]; at++) {
      if (places[at] >= RESTART) r.set(own);
      const first = (places[at] & ~RESTART) * d;
      const value = values[at];
      let dot = 0;
      for (let c = 0; c < d; c++) {
        const weight = decoder[first + c];
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
 * The walker of the CPU device: rows are shared by all threads. The decoders stay in the device's memory.
 *
 * @param d Width of the rows.
 * @param decoders Their rows, [m, d] each.
 */
export function createCpuWalker(cpu: Cpu, d: number, decoders: Float32Array[]): Walker {
  const owned = createBuffers(cpu);
  try {
    const decoder = f32(owned.from("decoder rows", joined(decoders)));
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
          ...{ decoder, dots: f32(dots), left: left && f32(left), d },
        }, rows);
        submit(cpu, await p.stages());
        return {
          dots: await readFloats(cpu, dots, latents.length),
          ...left ? { residual: await readFloats(cpu, left, rows * d) } : {},
        };
      },
      [Symbol.dispose]: () => owned[Symbol.dispose](),
    };
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}

/**
 * The walker of software adapters: the same loop on the calling thread. They run kernels on the same
 * processor, where one in 64 lanes takes some 14 times as long (4096 rows, 64 entries each, d 128: 2.8 s
 * against 0.2 s).
 */
export function createPlainWalker(d: number, decoders: Float32Array[]): Walker {
  const decoder = joined(decoders);
  const run = (walk: Walk, residual: boolean): Walked => {
    const dots = new Float32Array(walk.latents.length);
    const left = residual ? new Float32Array(walk.rows * d) : undefined;
    const { base, rowOffsets: offsets, values, rows } = walk;
    walkOnCpu({ base, offsets, places: placesOf(walk), values, decoder, dots, left, d }, 0, rows);
    return { dots, ...(left ? { residual: left } : {}) };
  };
  return {
    run: (walk, { residual = false } = {}) => Promise.resolve().then(() => run(walk, residual)),
    [Symbol.dispose]() {},
  };
}

function joined(decoders: Float32Array[]): Float32Array {
  const all = new Float32Array(decoders.reduce((sum, rows) => sum + rows.length, 0));
  let at = 0;
  for (const rows of decoders) {
    all.set(rows, at);
    at += rows.length;
  }
  return all;
}
