import { defineKernel, read, write } from "./define.ts";

/**
 * Numbers of workgroups of kernels that may be skipped: 0 if flags[at] is 0. `full` [count] are {x, y, times,
 * each}: x · y workgroups, or if `each` is not 0, times · ⌈flags[at] / each⌉, in two dimensions of at most
 * `most`.
 */
export const startWhere = () =>
  defineKernel({
    label: "start where",
    sizes: { count: "u32", at: "u32", most: "u32" },
    bind: { flags: read("u32"), full: read("vec4u"), dispatch: write("u32") },
    workgroup: 64,
    body: `
  if (thread >= sizes.count) { return; }
  let flag = flags[sizes.at];
  let own = full[thread];
  var size = own.xy;
  if (own.w != 0u) {
    let all = own.z * ((flag + own.w - 1u) / own.w);
    size.y = max(1u, (all + sizes.most - 1u) / sizes.most);
    size.x = (all + size.y - 1u) / size.y;
  }
  size = select(vec2u(), size, flag != 0u);
  dispatch[3u * thread] = size.x;
  dispatch[3u * thread + 1u] = size.y;
  dispatch[3u * thread + 2u] = 1u;`,
  });
