/**
 * Takes sparse reconstructions away from a target: out[r] = target[r] − Σ_j values[j] · wDec[latents[j]]
 * over the entries of row r whose latents lie in this shard of the decoder. `first`: the shard that
 * starts from the target; later shards go on from `out`.
 *
 * Bindings: sizes {rows, firstRow, firstLatent, latents}, offsets, latents, values, wDec [latents, d],
 * out, and for the first shard target. Row r of target is row firstRow + r of the sparse rows and of
 * out. One workgroup a row, each lane a column of every 64.
 */
export function decode({ d, first }: { d: number; first: boolean }): string {
  const columns = [...Array(Math.ceil(d / 64)).keys()];
  const guard = (j: number, line: string) =>
    j * 64 + 64 <= d ? line : `if (lane + ${j * 64}u < ${d}u) { ${line} }`;
  return `
struct Sizes { rows: u32, firstRow: u32, firstLatent: u32, latents: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
${first ? "@group(0) @binding(6) var<storage, read> target_: array<f32>;" : ""}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let at = (sizes.firstRow + row) * ${d}u + lane;
${columns.map((j) => `  var s${j} = 0.0;`).join("\n")}
  let end = offsets[sizes.firstRow + row + 1u];
  for (var entry = offsets[sizes.firstRow + row]; entry < end; entry++) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let value = values[entry];
    let from = latent * ${d}u + lane;
${columns.map((j) => "    " + guard(j, `s${j} += value * w[from + ${j * 64}u];`)).join("\n")}
  }
${
    columns.map((j) =>
      "  " + guard(
        j,
        `out[at + ${j * 64}u] = ${
          first ? `target_[row * ${d}u + lane + ${j * 64}u]` : `out[at + ${j * 64}u]`
        } - s${j};`,
      )
    ).join("\n")
  }
}`;
}
