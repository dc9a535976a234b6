/**
 * Takes sparse reconstructions away from a target: out[firstRow + r] = target[r] − Σ_j values[j] ·
 * wDec[latents[j]] over the entries of row firstRow + r whose latents lie in this shard of the decoder.
 * Without `target` it is row sourceRow + r of `out` itself that they are taken from.
 *
 * Bindings: sizes {rows, firstRow, firstLatent, latents, sourceRow}, offsets, latents, values, wDec
 * [latents, d], out, and with `target` target. One workgroup a row, each lane a column of every 64, or
 * four columns where d divides by four: llvmpipe loads them at the price of one.
 */
export function decode({ d, target }: { d: number; target: boolean }): string {
  const vector = d % 4 === 0;
  const element = vector ? "vec4f" : "f32";
  const width = vector ? d / 4 : d;
  // No more lanes than a row has work for, in whole groups of 8.
  const lanes = Math.min(64, Math.ceil(width / 8) * 8);
  const columns = [...Array(Math.ceil(width / lanes)).keys()].map((j) => j * lanes);
  const guard = (j: number, line: string) =>
    j + lanes <= width ? line : `if (lane + ${j}u < ${width}u) { ${line} }`;
  const source = target ? "target_" : "out";
  return `
struct Sizes { rows: u32, firstRow: u32, firstLatent: u32, latents: u32, sourceRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<${element}>;
@group(0) @binding(5) var<storage, read_write> out: array<${element}>;
${target ? `@group(0) @binding(6) var<storage, read> target_: array<${element}>;` : ""}

@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let at = (sizes.firstRow + row) * ${width}u + lane;
  let source_ = ${target ? "row" : "(sizes.sourceRow + row)"} * ${width}u + lane;
${columns.map((j) => `  var s${j} = ${element}(0.0);`).join("\n")}
  let end = offsets[sizes.firstRow + row + 1u];
  for (var entry = offsets[sizes.firstRow + row]; entry < end; entry++) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let value = values[entry];
    let begin = latent * ${width}u + lane;
${columns.map((j) => "    " + guard(j, `s${j} += value * w[begin + ${j}u];`)).join("\n")}
  }
${
    columns.map((j) => "  " + guard(j, `out[at + ${j}u] = ${source}[source_ + ${j}u] - s${j};`))
      .join("\n")
  }
}`;
}
