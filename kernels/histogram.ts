import { defineKernel, read, when, write } from "./define.ts";
import { elements } from "./prelude.ts";

/**
 * One pass of the radix selection: counts the positive numbers of z whose upper bits equal the prefix so
 * far, by their next digit. Bits of positive floats are ordered like integers. Sums of integers do not
 * depend on their order, so that with atomics the result is the same in every run.
 *
 * `shift` is the lowest bit of the digit, `bits` its width (at most 11: 8 KiB of workgroup memory).
 * `vector`: 4 divides the number of values, and four are read at once. `later`: a pass after the first,
 * with `state` {prefix}.
 */
export function histogram<Later extends boolean>(
  { shift, bits, later, vector = false }: {
    shift: number;
    bits: number;
    later: Later;
    vector?: boolean;
  },
) {
  const bins = 1 << bits;
  const above = shift + bits;
  const { width, integers: numbers, parts } = elements(vector);
  const shared = `(value >> ${numbers}(${above}u)) == ${numbers}(prefix)`;
  return defineKernel({
    label: "histogram",
    sizes: { numbers: "u32" },
    bind: {
      z: read(numbers),
      counts: write("atomic<u32>"),
      state: when(later, read("u32")),
    },
    workgroup: 256,
    globals: [`var<workgroup> local: array<atomic<u32>, ${bins}>;`],
    body: `
  ${later ? `let prefix = state[0] >> ${above}u;` : ""}
  for (var at = thread; at < sizes.numbers / ${width}u; at += groups * 256u) {
    let value = z[at];
    let fits = (value != ${numbers}())${later ? ` & (${shared})` : ""};
    let bin = (value >> ${numbers}(${shift}u)) & ${numbers}(${bins - 1}u);
${
      parts("bin").map((bin, i) =>
        `    if (${parts("fits")[i]}) { atomicAdd(&local[${bin}], 1u); }`
      )
        .join("\n")
    }
  }
  workgroupBarrier();
  for (var bin = lane; bin < ${bins}u; bin += 256u) {
    let found = atomicLoad(&local[bin]);
    if (found != 0u) { atomicAdd(&counts[bin], found); }
  }`,
  });
}
