import { defineKernel, read, write } from "./define.ts";
import { sumBefore } from "./prelude.ts";

/**
 * Shares out the numbers equal to the batch's threshold: the first `state[1]` of them in (row,
 * latent) order stay. On return ties[r] is how many of its own row r keeps, and kept[r] counts them. One
 * workgroup.
 */
export const planRows = () =>
  defineKernel({
    label: "plan rows",
    sizes: { rows: "u32" },
    bind: { state: read("u32"), kept: write("u32"), ties: write("u32") },
    workgroup: 256,
    globals: [sumBefore(256)],
    body: `
  let each = (sizes.rows + 255u) / 256u;
  let begin = min(lane * each, sizes.rows);
  let stop = min(begin + each, sizes.rows);
  var own = 0u;
  for (var row = begin; row < stop; row++) { own += ties[row]; }
  var before = sumBefore(lane, own);
  for (var row = begin; row < stop; row++) {
    let here = ties[row];
    let quota = min(here, max(state[1], before) - before);
    before += here;
    ties[row] = quota;
    kept[row] += quota;
  }`,
  });
