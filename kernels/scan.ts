import { defineKernel, read, write } from "./define.ts";
import { sumBefore } from "./prelude.ts";

/** Running sums: offsets[first + i + 1] = offsets[first] + counts[first] + … + counts[first + i]. One workgroup. */
export const scan = () =>
  defineKernel({
    label: "scan",
    sizes: { first: "u32", length: "u32" },
    bind: { counts: read("u32"), offsets: write("u32") },
    workgroup: 256,
    globals: [sumBefore(256)],
    body: `
  let each = (sizes.length + 255u) / 256u;
  let begin = min(lane * each, sizes.length);
  let stop = min(begin + each, sizes.length);
  var own = 0u;
  for (var i = begin; i < stop; i++) { own += counts[sizes.first + i]; }
  var total = offsets[sizes.first] + sumBefore(lane, own);
  for (var i = begin; i < stop; i++) {
    total += counts[sizes.first + i];
    offsets[sizes.first + i + 1u] = total;
  }`,
  });
