/**
 * Gradient of the loss with respect to each kept activation: deltas[j] = c · e[r] · wDec[latents[j]] +
 * s, where r is the entry's row, e the residual and c = `main` for the first `half` rows (the
 * reconstruction) and `auxiliary` for the rest (the auxiliary loss). With `penalized` s is L1's own
 * gradient, `sparsity` of the sizes times that of the step; else, as with an auxiliary loss, 0.
 *
 * A workgroup takes a row; `lanes` lanes share an entry: 8 of 64 read a decoder row in whole lines of
 * memory on hardware; 1 of 8, as many as llvmpipe runs at once, needs no exchange between lanes.
 *
 * Bindings: sizes {rows, half, firstLatent, latents, main, auxiliary, sparsity}, offsets, latents,
 * residual [rows, d], wDec [latents, d] (one shard), deltas, and with `penalized` step {…, sparsity}.
 */
export function entryGradients(
  { d, lanes, penalized }: { d: number; lanes: 1 | 8; penalized: boolean },
): string {
  const vector = d % 4 === 0;
  const element = vector ? "vec4f" : "f32";
  const steps = vector ? d / 4 : d;
  const penalty = penalized ? " + sizes.sparsity * step.sparsity" : "";
  const product = vector ? "dot(e[er + c], w[wr + c])" : "e[er + c] * w[wr + c]";
  return `
struct Sizes {
  rows: u32, half: u32, firstLatent: u32, latents: u32, main: f32, auxiliary: f32, sparsity: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> e: array<${element}>;
@group(0) @binding(4) var<storage, read> w: array<${element}>;
@group(0) @binding(5) var<storage, read_write> deltas: array<f32>;
${
    penalized
      ? `struct Step {
  step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32,
}
@group(0) @binding(6) var<uniform> step: Step;`
      : ""
  }
${lanes === 1 ? "" : "var<workgroup> sums: array<f32, 64>;"}

@compute @workgroup_size(${lanes === 1 ? 8 : 64})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let er = row * ${steps}u;
  let scale = select(sizes.auxiliary, sizes.main, row < sizes.half);
  let end = offsets[row + 1u];
${
    lanes === 1
      ? `  for (var entry = offsets[row] + lane; entry < end; entry += 8u) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let wr = latent * ${steps}u;
    var own = 0.0;
    for (var c = 0u; c < ${steps}u; c++) { own += ${product}; }
    deltas[entry] = scale * own${penalty};
  }`
      : `  for (var base = offsets[row]; base < end; base += 8u) {
    let entry = base + lane / 8u;
    let inside = entry < end;
    let latent = latents[min(entry, end - 1u)] - sizes.firstLatent;
    let mine = inside && latent < sizes.latents;
    var own = 0.0;
    if (mine) {
      let wr = latent * ${steps}u;
      for (var c = lane % 8u; c < ${steps}u; c += 8u) { own += ${product}; }
    }
    sums[lane] = own;
    workgroupBarrier();
    if (mine && lane % 8u == 0u) {
      for (var i = 1u; i < 8u; i++) { own += sums[lane + i]; }
      deltas[entry] = scale * own${penalty};
    }
    workgroupBarrier();
  }`
  }
}`;
}
