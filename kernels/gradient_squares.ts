/**
 * Squared norm of each latent's gradient, which is gathered as `updateRows` gathers it: squares[i] = ‖g‖²,
 * g = Σ_j factor[j] · source[row[j]].
 *
 * - `decoder`: source is the residual; the part of g along the latent's row of w is removed first.
 * - encoder: source is the encoder's input, whose rows repeat after `half`. Its ‖g‖² is added to what
 *   squares holds.
 *
 * Bindings: sizes {latents, firstLatent, half}, source, latentOffsets, rows, factors (pairs), squares [m],
 * and for the decoder w [latents, d]. One workgroup a latent.
 */
export function gradientSquares({ d, decoder }: { d: number; decoder: boolean }): string {
  const columns = [...Array(Math.ceil(d / 64)).keys()];
  const guard = (j: number, line: string) =>
    j * 64 + 64 <= d ? line : `if (lane + ${j * 64}u < ${d}u) { ${line} }`;
  return `
struct Sizes { latents: u32, firstLatent: u32, half: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(3) var<storage, read> rows: array<u32>;
@group(0) @binding(4) var<storage, read> factors: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> squares: array<f32>;
${decoder ? "@group(0) @binding(6) var<storage, read> w: array<f32>;" : ""}
var<workgroup> sums: array<vec2f, 64>;

fn total(lane: u32, own: vec2f) -> vec2f {
  workgroupBarrier();
  sums[lane] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  return sums[0];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = id.x + id.y * count.x;
  if (latent >= sizes.latents) { return; }
${columns.map((j) => `  var g${j} = 0.0;`).join("\n")}
  let end = latentOffsets[sizes.firstLatent + latent + 1u];
  for (var entry = latentOffsets[sizes.firstLatent + latent]; entry < end; entry++) {
    let sample = rows[entry];
    let factor = factors[entry].${decoder ? "x" : "y"};
    let begin = ${
    decoder ? "sample" : "select(sample - sizes.half, sample, sample < sizes.half)"
  } * ${d}u + lane;
${columns.map((j) => "    " + guard(j, `g${j} += factor * source[begin + ${j * 64}u];`)).join("\n")}
  }
${
    decoder
      ? `  let at = latent * ${d}u + lane;
${columns.map((j) => `  var w${j} = 0.0;`).join("\n")}
${columns.map((j) => "  " + guard(j, `w${j} = w[at + ${j * 64}u];`)).join("\n")}
  let along = total(lane, ${columns.map((j) => `vec2f(g${j} * w${j}, w${j} * w${j})`).join(" + ")});
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
${columns.map((j) => `  g${j} -= parallel * w${j};`).join("\n")}`
      : ""
  }
  let own = total(lane, vec2f(${columns.map((j) => `g${j} * g${j}`).join(" + ")}, 0.0)).x;
  if (lane == 0u) {
    squares[sizes.firstLatent + latent] = own${
    decoder ? "" : " + squares[sizes.firstLatent + latent]"
  };
  }
}`;
}
