import type { Walk, Walked, Walker } from "./walk_entries.ts";

/**
 * The walker of software adapters. They run kernels on the same processor, where one in 64 lanes takes
 * some 14 times as long as this loop (4096 rows, 64 entries each, d 128: 2.8 s against 0.2 s). Residuals are
 * float64 on the way.
 *
 * @param d Width of the rows.
 * @param decoders Their rows, [m, d] each.
 */
export function createCpuWalker(d: number, decoders: Float32Array[]): Walker {
  const run = (walk: Walk, residual: boolean): Walked => {
    const { rows, base, rowOffsets, latents, values, restart } = walk;
    const dots = new Float32Array(latents.length);
    const left = residual ? new Float32Array(rows * d) : undefined;
    const r = new Float64Array(d);
    for (let row = 0; row < rows; row++) {
      const own = base.subarray(row * d, (row + 1) * d);
      r.set(own);
      for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
        if (restart?.[at]) r.set(own);
        let index = 0;
        let latent = latents[at];
        while (latent * d >= decoders[index].length) latent -= decoders[index++].length / d;
        const w = decoders[index];
        const value = values[at];
        const first = latent * d;
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
    return { dots, ...(left ? { residual: left } : {}) };
  };
  return {
    run: (walk, { residual = false } = {}) => Promise.resolve().then(() => run(walk, residual)),
    [Symbol.dispose]() {},
  };
}
