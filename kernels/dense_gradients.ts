// Between the dense products of a ReLU or JumpReLU step: active latents, and sums that are not products.
import { defineKernel, read, when, write } from "./define.ts";
import { step, sumOver } from "./prelude.ts";

/**
 * Statistics of the rows of z [rows, latents], as `noteActive` for entries: the complement of the bits of
 * the smallest activation in stats[1], and the penalties of the sparsity loss: penalties[r] = Σ of the row's
 * activations, or with `jump` their number (exact below 2^24). With `jump` it also writes f = z above θ,
 * else 0. One workgroup per row.
 */
export const denseRows = <Jump extends boolean>({ jump }: { jump: Jump }) =>
  defineKernel({
    label: "dense rows",
    sizes: { rows: "u32", latents: "u32" },
    bind: {
      z: read("f32"),
      stats: write("atomic<u32>"),
      penalties: write("f32"),
      theta: when(jump, read("f32")),
      f: when(jump, write("f32")),
    },
    workgroup: 64,
    globals: [sumOver(64)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  var own = 0.0;
  var largest = 0u;
  for (var latent = lane; latent < sizes.latents; latent += 64u) {
    let at = row * sizes.latents + latent;
    let value = z[at];
    let kept = value > ${jump ? "theta[latent]" : "0.0"};
    ${jump ? "f[at] = select(0.0, value, kept);" : ""}
    if (!kept) { continue; }
    own += ${jump ? "1.0" : "value"};
    largest = max(largest, ~bitcast<u32>(value));
  }
  if (largest != 0u) { atomicMax(&stats[1], largest); }
  let all = total(lane, own);
  if (lane == 0u) { penalties[row] = all; }`,
  });

/** Rows of a block of {@linkcode denseDeltas}. */
export const DELTA_ROWS = 64;

/**
 * Turns g [rows, latents], the gradient of the reconstruction with respect to activations, into that with
 * respect to pre-activations, in place: g plus L1's gradient (`sparsity` of the sizes times that of the
 * step; 0 with `jump`) where z is active, else 0. Sums over blocks of 64 rows are written to sums[block,
 * latent]: {Σ delta, number of active samples}; with `jump` also {Σ g, number} of the samples within `half`
 * of θ, including those with z = 0, and z is replaced by the activations. One lane per latent and block, in
 * order of row.
 */
export const denseDeltas = <Jump extends boolean>({ jump }: { jump: Jump }) =>
  defineKernel({
    label: "dense deltas",
    sizes: { rows: "u32", latents: "u32", sparsity: "f32", half: "f32" },
    bind: {
      step,
      z: write("f32"),
      g: write("f32"),
      sums: write("vec4f"),
      theta: when(jump, read("f32")),
    },
    workgroup: 64,
    body: `
  let across = (sizes.latents + 63u) / 64u;
  let block = group / across;
  let latent = group % across * 64u + lane;
  let begin = block * ${DELTA_ROWS}u;
  if (latent >= sizes.latents || begin >= sizes.rows) { return; }
  let stop = min(begin + ${DELTA_ROWS}u, sizes.rows);
  let limit = ${jump ? "theta[latent]" : "0.0"};
  let penalty = sizes.sparsity * step.sparsity;
  var own = vec4f();
  for (var row = begin; row < stop; row++) {
    let at = row * sizes.latents + latent;
    let value = z[at];
    let whole = g[at];
    let kept = value > limit;
    let delta = select(0.0, whole + penalty, kept);
    g[at] = delta;
    own += vec4f(delta, select(0.0, 1.0, kept), 0.0, 0.0);
${
      jump
        ? `    z[at] = select(0.0, value, kept);
    if (abs(value - limit) < sizes.half) { own += vec4f(0.0, 0.0, whole, 1.0); }`
        : ""
    }
  }
  sums[block * sizes.latents + latent] = own;`,
  });

/**
 * Adds up the sums of {@linkcode denseDeltas} over blocks: writes bEnc[i], the gradient of the encoder bias,
 * lastActive, and offsets[rows] (0 before), the number of active latents of all samples. With `jump`
 * logTheta[i] = −(θ/ε) · (θ · Σ g + p · number) over the samples near θ, where p is `penalty` of the sizes
 * times `sparsity` of the step, as in `thresholdGradients`. One lane per latent, in order of block.
 */
export const denseSums = <Jump extends boolean>({ jump }: { jump: Jump }) =>
  defineKernel({
    label: "dense sums",
    sizes: { latents: "u32", blocks: "u32", rows: "u32", bandwidth: "f32", penalty: "f32" },
    bind: {
      step,
      sums: read("vec4f"),
      bEnc: write("f32"),
      lastActive: write("u32"),
      offsets: write("atomic<u32>"),
      theta: when(jump, read("f32")),
      logTheta: when(jump, write("f32")),
    },
    workgroup: 64,
    body: `
  let latent = thread;
  if (latent >= sizes.latents) { return; }
  var all = vec4f();
  for (var block = 0u; block < sizes.blocks; block++) {
    all += sums[block * sizes.latents + latent];
  }
  bEnc[latent] = all.x;
  if (all.y > 0.0) {
    lastActive[latent] = step.step;
    atomicAdd(&offsets[sizes.rows], u32(all.y));
  }
${
      jump
        ? `  let limit = theta[latent];
  logTheta[latent] = -limit / sizes.bandwidth *
    (limit * all.z + sizes.penalty * step.sparsity * all.w);`
        : ""
    }`,
  });
