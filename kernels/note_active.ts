import { defineKernel, read, when, write } from "./define.ts";
import { step, sumOver } from "./prelude.ts";

/**
 * Statistics of the entries of a ReLU or JumpReLU selection: records which latents are active in this step,
 * the complement of the bits of the smallest activation in stats[1] (0 if there is none), and the penalties
 * of the sparsity loss. One workgroup per row.
 *
 * - Without `jump` (ReLU) all entries are active; penalties[r] = Σ of the row's activations.
 * - With `jump` (JumpReLU) entries above their latent's θ are active; the others, which are kept for θ's
 *   gradient, get activation 0. penalties[r] = number of active entries (exact below 2^24).
 */
export const noteActive = <Jump extends boolean>({ jump }: { jump: Jump }) =>
  defineKernel({
    label: "note active",
    sizes: { rows: "u32" },
    bind: {
      step,
      offsets: read("u32"),
      latents: read("u32"),
      values: write("f32"),
      lastActive: write("atomic<u32>"),
      stats: write("atomic<u32>"),
      penalties: write("f32"),
      theta: when(jump, read("f32")),
    },
    workgroup: 64,
    globals: [sumOver(64)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let end = offsets[row + 1u];
  var own = 0.0;
  var largest = 0u;
  for (var entry = offsets[row] + lane; entry < end; entry += 64u) {
    let latent = latents[entry];
    let value = values[entry];
    ${jump ? "if (!(value > theta[latent])) { values[entry] = 0.0; continue; }" : ""}
    own += ${jump ? "1.0" : "value"};
    largest = max(largest, ~bitcast<u32>(value));
    atomicStore(&lastActive[latent], step.step);
  }
  if (largest != 0u) { atomicMax(&stats[1], largest); }
  let all = total(lane, own);
  if (lane == 0u) { penalties[row] = all; }`,
  });
