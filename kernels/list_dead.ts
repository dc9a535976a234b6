import { defineKernel, read, write } from "./define.ts";
import { step, sumBefore } from "./prelude.ts";

/**
 * Lists dead latents, inactive in each of the last `deadAfter` batches including this one, as `dead`
 * [1 + latents] {count, latents…}; the count is also written to stats[2]. Each lane has consecutive latents,
 * so that the list is ascending. One workgroup.
 */
export const listDead = () =>
  defineKernel({
    label: "list dead",
    sizes: { latents: "u32", deadAfter: "u32" },
    bind: {
      step,
      lastActive: read("u32"),
      stats: write("u32"),
      dead: write("u32"),
    },
    workgroup: 256,
    globals: [sumBefore(256)],
    body: `
  let each = (sizes.latents + 255u) / 256u;
  let begin = min(lane * each, sizes.latents);
  let stop = min(begin + each, sizes.latents);
  var own = 0u;
  for (var latent = begin; latent < stop; latent++) {
    if (step.step - lastActive[latent] >= sizes.deadAfter) { own++; }
  }
  var at = 1u + sumBefore(lane, own);
  if (lane == 255u) {
    let count = at - 1u + own;
    stats[2] = count;
    dead[0] = count;
  }
  if (own == 0u) { return; }
  for (var latent = begin; latent < stop; latent++) {
    if (step.step - lastActive[latent] >= sizes.deadAfter) { dead[at] = latent; at++; }
  }`,
  });
