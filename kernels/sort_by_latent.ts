// Sparse rows → sparse columns without a sort: within one row every latent occurs at most once, so a
// workgroup that walks a block of rows in order can hand out places without conflicts, and the
// entries of a latent end up in ascending order of row, in every run.

/**
 * Counts the entries of each latent in each block of rows. Whole numbers: the order of the atomics
 * does not matter.
 *
 * Bindings: sizes {rows, rowsPerBlock, latents}, offsets, latents, counts [blocks, latents] (zero at
 * the start). One workgroup a block.
 */
export function countLatents(): string {
  return `
struct Sizes { rows: u32, rowsPerBlock: u32, latents: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = id.x + id.y * count.x;
  let begin = min(block * sizes.rowsPerBlock, sizes.rows);
  let stop = min(begin + sizes.rowsPerBlock, sizes.rows);
  let end = offsets[stop];
  for (var entry = offsets[begin] + lane; entry < end; entry += 64u) {
    atomicAdd(&counts[block * sizes.latents + latents[entry]], 1u);
  }
}`;
}

/**
 * Turns counts into places: counts[b, i] becomes the number of entries of latent i in the blocks
 * before b, totals[i] the number in all.
 *
 * Bindings: sizes {blocks, latents}, counts [blocks, latents], totals [latents]. One lane a latent.
 */
export function sumBlocks(): string {
  return `
struct Sizes { blocks: u32, latents: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> totals: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = (id.x + id.y * count.x) * 64u + lane;
  if (latent >= sizes.latents) { return; }
  var total = 0u;
  for (var block = 0u; block < sizes.blocks; block++) {
    let here = counts[block * sizes.latents + latent];
    counts[block * sizes.latents + latent] = total;
    total += here;
  }
  totals[latent] = total;
}`;
}

/**
 * Writes the entries latent by latent: their row and, as a pair, the two numbers that multiply the
 * residual (for the decoder's gradient: c · activation) and the input (for the encoder's: delta).
 * c = `main` for the first `half` rows and `auxiliary` for the rest.
 *
 * Bindings: sizes {rows, rowsPerBlock, latents, half, main, auxiliary}, offsets, latents, values,
 * deltas, latentOffsets, counts [blocks, latents], rowsOut, factors. One workgroup a block.
 */
export function fillLatents(): string {
  return `
struct Sizes {
  rows: u32, rowsPerBlock: u32, latents: u32, half: u32, main: f32, auxiliary: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> deltas: array<f32>;
@group(0) @binding(5) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> rowsOut: array<u32>;
@group(0) @binding(8) var<storage, read_write> factors: array<vec2f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = id.x + id.y * count.x;
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
      rowsOut[at] = row;
      factors[at] = vec2f(scale * values[entry], deltas[entry]);
    }
    storageBarrier();
    workgroupBarrier();
  }
}`;
}
