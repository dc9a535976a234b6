import { defineKernel, read, write } from "./define.ts";

/** Workgroups of work that may be skipped: dispatch [length] becomes `full` where flags[at] is 1, else zero. */
export const startWhere = () =>
  defineKernel({
    label: "start where",
    sizes: { length: "u32", at: "u32" },
    bind: { flags: read("u32"), full: read("u32"), dispatch: write("u32") },
    workgroup: 64,
    body: `
  if (thread < sizes.length) { dispatch[thread] = select(0u, full[thread], flags[sizes.at] == 1u); }`,
  });
