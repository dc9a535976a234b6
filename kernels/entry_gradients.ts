import { defineKernel, read, when, write } from "./define.ts";
import { rowElements, step } from "./prelude.ts";

/**
 * Gradient of the loss with respect to each kept activation: deltas[j] = c · residual[r] · wDec[latents[j]]
 * + s, where r is the entry's row and c = `main` for the first `half` rows (the reconstruction) and
 * `auxiliary` for the rest (the auxiliary loss). With `penalized` s is L1's own gradient, `sparsity` of
 * the sizes times that of the step; else, as with an auxiliary loss, 0. wDec is one shard of the decoder.
 *
 * One workgroup per row, with `lanes` lanes per entry: on hardware 8 of 64, which read a decoder row in
 * whole cache lines; on llvmpipe 1 of 8, the number of lanes that it runs at once, without exchange
 * between lanes.
 */
export function entryGradients<Penalized extends boolean>(
  { d, lanes, penalized }: { d: number; lanes: 1 | 8; penalized: Penalized },
) {
  const { element, width, dot } = rowElements(d);
  const penalty = penalized ? " + sizes.sparsity * step.sparsity" : "";
  const product = dot("residual[er + c]", "wDec[wr + c]");
  return defineKernel({
    label: "entry gradients",
    sizes: {
      ...{ rows: "u32", half: "u32", firstLatent: "u32", latents: "u32" },
      ...{ main: "f32", auxiliary: "f32", sparsity: "f32" },
    },
    bind: {
      offsets: read("u32"),
      latents: read("u32"),
      residual: read(element),
      wDec: read(element),
      deltas: write("f32"),
      step: when(penalized, step),
    },
    workgroup: lanes === 1 ? 8 : 64,
    globals: lanes === 1 ? [] : ["var<workgroup> sums: array<f32, 64>;"],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let er = row * ${width}u;
  let scale = select(sizes.auxiliary, sizes.main, row < sizes.half);
  let end = offsets[row + 1u];
${
      lanes === 1
        ? `  for (var entry = offsets[row] + lane; entry < end; entry += 8u) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let wr = latent * ${width}u;
    var own = 0.0;
    for (var c = 0u; c < ${width}u; c++) { own += ${product}; }
    deltas[entry] = scale * own${penalty};
  }`
        : `  for (var base = offsets[row]; base < end; base += 8u) {
    let entry = base + lane / 8u;
    let inside = entry < end;
    let latent = latents[min(entry, end - 1u)] - sizes.firstLatent;
    let mine = inside && latent < sizes.latents;
    var own = 0.0;
    if (mine) {
      let wr = latent * ${width}u;
      for (var c = lane % 8u; c < ${width}u; c += 8u) { own += ${product}; }
    }
    sums[lane] = own;
    workgroupBarrier();
    if (mine && lane % 8u == 0u) {
      for (var i = 1u; i < 8u; i++) { own += sums[lane + i]; }
      deltas[entry] = scale * own${penalty};
    }
    workgroupBarrier();
  }`
    }`,
  });
}
