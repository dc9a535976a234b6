/**
 * Gathers each latent's gradient from the samples in which it is active, and takes one step of Adam
 * on its row, without a gradient buffer: g = Σ_j factor[j] · source[row[j]].
 *
 * - `decoder`: source is the residual; the part of g along the row is removed, and the row is scaled
 *   to norm 1 after the step.
 * - encoder: source is the encoder's input, whose rows repeat after `half` (the second half of the
 *   sparse rows belongs to the auxiliary loss, on the same inputs).
 *
 * Every row's moments decay in every step, active or not: exactly dense Adam. One workgroup a latent.
 *
 * Bindings: sizes {latents, firstLatent, half}, step {step, rate, correction, beta1, beta2, epsilon},
 * w [latents, d], first moment, second moment, source, latentOffsets, rows, factors (pairs), frozen.
 */
export function updateRows({ d, decoder }: { d: number; decoder: boolean }): string {
  const columns = [...Array(Math.ceil(d / 64)).keys()];
  const guard = (j: number, line: string) =>
    j * 64 + 64 <= d ? line : `if (lane + ${j * 64}u < ${d}u) { ${line} }`;
  const each = (line: (j: number) => string) =>
    columns.map((j) => "  " + guard(j, line(j))).join("\n");
  return `
struct Sizes { latents: u32, firstLatent: u32, half: u32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> first: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read> source: array<f32>;
@group(0) @binding(6) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(7) var<storage, read> rows: array<u32>;
@group(0) @binding(8) var<storage, read> factors: array<vec2f>;
@group(0) @binding(9) var<storage, read> frozen: array<u32>;
${
    decoder
      ? `var<workgroup> sums: array<vec2f, 64>;

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
`
      : ""
  }
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = id.x + id.y * count.x;
  if (latent >= sizes.latents || frozen[0] != 0u) { return; }
  let at = latent * ${d}u + lane;
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
${columns.map((j) => `  var w${j} = 0.0;`).join("\n")}
${each((j) => `w${j} = w[at + ${j * 64}u];`)}
${
    decoder
      ? `  let along = total(lane, ${
        columns.map((j) => `vec2f(g${j} * w${j}, w${j} * w${j})`).join(" + ")
      });
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
${each((j) => `g${j} -= parallel * w${j};`)}`
      : ""
  }
${
    columns.map((j) =>
      `  ${j * 64 + 64 <= d ? "" : `if (lane + ${j * 64}u < ${d}u) `}{
    let m = step.beta1 * first[at + ${j * 64}u] + (1.0 - step.beta1) * g${j};
    let v = step.beta2 * second[at + ${j * 64}u] + (1.0 - step.beta2) * g${j} * g${j};
    first[at + ${j * 64}u] = m;
    second[at + ${j * 64}u] = v;
    w${j} -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }`
    ).join("\n")
  }
${
    decoder
      ? `  let squares = total(lane, vec2f(${
        columns.map((j) => `w${j} * w${j}`).join(" + ")
      }, 0.0)).x;
  let scale = select(0.0, inverseSqrt(squares), squares > 0.0);
${each((j) => `w[at + ${j * 64}u] = w${j} * scale;`)}`
      : each((j) => `w[at + ${j * 64}u] = w${j};`)
  }
}`;
}
