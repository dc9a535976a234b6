import { defineKernel, read, write } from "./define.ts";

/** peaks[c] = bits of the largest |source[r, c]| of [rows, d], and of peaks[c] before. 64 × 64 per workgroup. */
export const columnPeaks = () =>
  defineKernel({
    label: "column peaks",
    sizes: { rows: "u32", d: "u32" },
    bind: { source: read("f32"), peaks: write("atomic<u32>") },
    workgroup: 64,
    body: `
  let across = (sizes.d + 63u) / 64u;
  let column = group % across * 64u + lane;
  let first = group / across * 64u;
  if (column >= sizes.d || first >= sizes.rows) { return; }
  var peak = 0.0;
  for (var row = first; row < min(first + 64u, sizes.rows); row++) {
    peak = max(peak, abs(source[row * sizes.d + column]));
  }
  atomicMax(&peaks[column], bitcast<u32>(peak));`,
  });

/**
 * Factors of the columns of both operands, so that both use their 8 bits: powers of two near √(peak of the
 * encoder / peak of the samples) and its inverse. The peaks are reset to 0 for the next batch. One thread
 * per column.
 */
export const balanceColumns = () =>
  defineKernel({
    label: "balance columns",
    sizes: { d: "u32" },
    bind: {
      samplePeaks: write("f32"),
      latentPeaks: write("f32"),
      samples: write("f32"),
      latents: write("f32"),
    },
    workgroup: 64,
    body: `
  let column = thread;
  if (column >= sizes.d) { return; }
  let own = samplePeaks[column];
  let other = latentPeaks[column];
  // Where one of them is zero or not finite there is nothing to balance.
  var power = 0;
  if (own > 1e-18 && own < 1e18 && other > 1e-18 && other < 1e18) {
    power = i32(round(0.5 * log2(own / other)));
  }
  latents[column] = bitcast<f32>(u32(127 + power) << 23u);
  samples[column] = bitcast<f32>(u32(127 - power) << 23u);
  samplePeaks[column] = 0.0;
  latentPeaks[column] = 0.0;`,
  });
