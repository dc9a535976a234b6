/**
 * Gathers each latent's gradient from the samples in which it is active, and takes one step of Adam
 * on its row, without a gradient buffer: g = Σ_j factor[j] · source[row[j]].
 *
 * - `decoder`: source is the residual; the part of g along the row is removed, and the row is scaled
 *   to norm 1 after the step.
 * - encoder: source is the encoder's input, whose rows repeat after `half` (the second half of the
 *   sparse rows belongs to the auxiliary loss, on the same inputs).
 *
 * Every row's moments decay in every step, active or not: exactly dense Adam. One workgroup a latent, each
 * lane a column of every 64, or four columns where d divides by four: llvmpipe loads them at the price of
 * one.
 *
 * Bindings: sizes {latents, firstLatent, half}, step {step, rate, correction, beta1, beta2, epsilon},
 * w [latents, d], first moment, second moment, source, latentOffsets, rows, factors (pairs), frozen.
 */
export function updateRows({ d, decoder }: { d: number; decoder: boolean }): string {
  const vector = d % 4 === 0;
  const element = vector ? "vec4f" : "f32";
  const width = vector ? d / 4 : d;
  // No more lanes than a row has work for; sums are halved, so a power of two.
  const lanes = Math.min(64, Math.max(8, 2 ** Math.ceil(Math.log2(width))));
  const columns = [...Array(Math.ceil(width / lanes)).keys()].map((j) => j * lanes);
  const guard = (j: number, line: string) =>
    j + lanes <= width ? line : `if (lane + ${j}u < ${width}u) { ${line} }`;
  const product = (a: string, b: string) => vector ? `dot(${a}, ${b})` : `${a} * ${b}`;
  const each = (line: (j: number) => string) =>
    columns.map((j) => "  " + guard(j, line(j))).join("\n");
  return `
struct Sizes { latents: u32, firstLatent: u32, half: u32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> w: array<${element}>;
@group(0) @binding(3) var<storage, read_write> first: array<${element}>;
@group(0) @binding(4) var<storage, read_write> second: array<${element}>;
@group(0) @binding(5) var<storage, read> source: array<${element}>;
@group(0) @binding(6) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(7) var<storage, read> rows: array<u32>;
@group(0) @binding(8) var<storage, read> factors: array<vec2f>;
@group(0) @binding(9) var<storage, read> frozen: array<u32>;
${
    decoder
      ? `var<workgroup> sums: array<vec2f, ${lanes}>;

fn total(lane: u32, own: vec2f) -> vec2f {
  workgroupBarrier();
  sums[lane] = own;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  return sums[0];
}
`
      : ""
  }
@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = id.x + id.y * count.x;
  if (latent >= sizes.latents || frozen[0] != 0u) { return; }
  let at = latent * ${width}u + lane;
${columns.map((j) => `  var g${j} = ${element}(0.0);`).join("\n")}
  let end = latentOffsets[sizes.firstLatent + latent + 1u];
  for (var entry = latentOffsets[sizes.firstLatent + latent]; entry < end; entry++) {
    let sample = rows[entry];
    let factor = factors[entry].${decoder ? "x" : "y"};
    let begin = ${
    decoder ? "sample" : "select(sample - sizes.half, sample, sample < sizes.half)"
  } * ${width}u + lane;
${columns.map((j) => "    " + guard(j, `g${j} += factor * source[begin + ${j}u];`)).join("\n")}
  }
${columns.map((j) => `  var w${j} = ${element}(0.0);`).join("\n")}
${each((j) => `w${j} = w[at + ${j}u];`)}
${
    decoder
      ? `  let along = total(lane, ${
        columns.map((j) => `vec2f(${product(`g${j}`, `w${j}`)}, ${product(`w${j}`, `w${j}`)})`)
          .join(" + ")
      });
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
${each((j) => `g${j} -= parallel * w${j};`)}`
      : ""
  }
${
    columns.map((j) =>
      `  ${j + lanes <= width ? "" : `if (lane + ${j}u < ${width}u) `}{
    let m = step.beta1 * first[at + ${j}u] + (1.0 - step.beta1) * g${j};
    let v = step.beta2 * second[at + ${j}u] + (1.0 - step.beta2) * g${j} * g${j};
    first[at + ${j}u] = m;
    second[at + ${j}u] = v;
    w${j} -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }`
    ).join("\n")
  }
${
    decoder
      ? `  let squares = total(lane, vec2f(${
        columns.map((j) => product(`w${j}`, `w${j}`)).join(" + ")
      }, 0.0)).x;
  let scale = select(0.0, inverseSqrt(squares), squares > 0.0);
${each((j) => `w[at + ${j}u] = w${j} * scale;`)}`
      : each((j) => `w[at + ${j}u] = w${j};`)
  }
}`;
}
