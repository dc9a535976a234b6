/**
 * Takes sparse reconstructions away from a target: out[firstRow + r] = target[r] − Σ_j values[j] ·
 * wDec[latents[j]] over the entries of row firstRow + r whose latents lie in this shard of the decoder.
 * Without `target` it is row sourceRow + r of `out` itself that they are taken from.
 *
 * Bindings: sizes {rows, firstRow, firstLatent, latents, sourceRow}, offsets, latents, values, wDec
 * [latents, d], out, and with `target` target. One workgroup a row, each lane a column of every 64.
 */
export function decode({ d, target }: { d: number; target: boolean }): string {
  const columns = [...Array(Math.ceil(d / 64)).keys()];
  const guard = (j: number, line: string) =>
    j * 64 + 64 <= d ? line : `if (lane + ${j * 64}u < ${d}u) { ${line} }`;
  const source = target ? "target_" : "out";
  return `
struct Sizes { rows: u32, firstRow: u32, firstLatent: u32, latents: u32, sourceRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
${target ? "@group(0) @binding(6) var<storage, read> target_: array<f32>;" : ""}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let at = (sizes.firstRow + row) * ${d}u + lane;
  let source_ = ${target ? "row" : "(sizes.sourceRow + row)"} * ${d}u + lane;
${columns.map((j) => `  var s${j} = 0.0;`).join("\n")}
  let end = offsets[sizes.firstRow + row + 1u];
  for (var entry = offsets[sizes.firstRow + row]; entry < end; entry++) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let value = values[entry];
    let begin = latent * ${d}u + lane;
${columns.map((j) => "    " + guard(j, `s${j} += value * w[begin + ${j * 64}u];`)).join("\n")}
  }
${
    columns.map((j) =>
      "  " + guard(j, `out[at + ${j * 64}u] = ${source}[source_ + ${j * 64}u] - s${j};`)
    ).join("\n")
  }
}`;
}
