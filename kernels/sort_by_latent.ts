// Sparse rows → sparse columns (CSR to CSC) without a sort: each latent occurs at most once per row, so that
// a workgroup can process a block of rows in order and assign positions without conflicts. The entries of a
// latent are in ascending order of row in every run.
import { defineKernel, read, write } from "./define.ts";

/**
 * Counts the entries of each latent per block of rows. These are integers, so that the order of the atomics
 * does not matter. `counts` [blocks, latents] is zero at the start. One workgroup per block.
 */
export const countLatents = () =>
  defineKernel({
    label: "count latents",
    sizes: { rows: "u32", rowsPerBlock: "u32", latents: "u32" },
    bind: { offsets: read("u32"), latents: read("u32"), counts: write("atomic<u32>") },
    workgroup: 64,
    body: `
  let block = group;
  let begin = min(block * sizes.rowsPerBlock, sizes.rows);
  let stop = min(begin + sizes.rowsPerBlock, sizes.rows);
  let end = offsets[stop];
  for (var entry = offsets[begin] + lane; entry < end; entry += 64u) {
    atomicAdd(&counts[block * sizes.latents + latents[entry]], 1u);
  }`,
  });

/**
 * Turns counts into offsets: counts[b, i] becomes the number of entries of latent i in the blocks before b,
 * totals[i] that in all blocks. One lane per latent.
 */
export const sumBlocks = () =>
  defineKernel({
    label: "sum blocks",
    sizes: { blocks: "u32", latents: "u32" },
    bind: { counts: write("u32"), totals: write("u32") },
    workgroup: 64,
    body: `
  let latent = thread;
  if (latent >= sizes.latents) { return; }
  var total = 0u;
  for (var block = 0u; block < sizes.blocks; block++) {
    let here = counts[block * sizes.latents + latent];
    counts[block * sizes.latents + latent] = total;
    total += here;
  }
  totals[latent] = total;`,
  });

/**
 * Writes the entries sorted by latent: their row and a pair of factors, of the residual (c · activation, for
 * the decoder's gradient) and of the input (delta, for the encoder's). c = `main` for the first `half` rows
 * and `auxiliary` for the others. One workgroup per block.
 */
export const fillLatents = () =>
  defineKernel({
    label: "fill latents",
    sizes: {
      ...{ rows: "u32", rowsPerBlock: "u32", latents: "u32", half: "u32" },
      ...{ main: "f32", auxiliary: "f32" },
    },
    bind: {
      offsets: read("u32"),
      latents: read("u32"),
      values: read("f32"),
      deltas: read("f32"),
      latentOffsets: read("u32"),
      counts: write("u32"),
      rows: write("u32"),
      factors: write("vec2f"),
    },
    workgroup: 64,
    body: `
  let block = group;
  let begin = min(block * sizes.rowsPerBlock, sizes.rows);
  let stop = min(begin + sizes.rowsPerBlock, sizes.rows);
  for (var row = begin; row < stop; row++) {
    let scale = select(sizes.auxiliary, sizes.main, row < sizes.half);
    let end = offsets[row + 1u];
    for (var entry = offsets[row] + lane; entry < end; entry += 64u) {
      let latent = latents[entry];
      let place = block * sizes.latents + latent;
      let taken = counts[place];
      counts[place] = taken + 1u;
      let at = latentOffsets[latent] + taken;
      rows[at] = row;
      factors[at] = vec2f(scale * values[entry], deltas[entry]);
    }
    storageBarrier();
    workgroupBarrier();
  }`,
  });
