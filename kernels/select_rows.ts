import { defineKernel, read, when, write } from "./define.ts";
import { elements } from "./prelude.ts";

/** Numbers that the list has room for; each is compared with each. */
const LISTED = 256;

/**
 * For each row of z the threshold that keeps its `wanted` largest positive numbers: a radix selection
 * over four digits, one workgroup a row. `dead`: only the latents of a list are candidates. Writes
 * the threshold's bits, how many numbers equal to it stay, and how many numbers stay in all. With
 * fewer positive candidates than wanted all stay: {0, 0, their count}.
 *
 * Up to 64 wanted, the wanted-th largest of the lanes' own maxima bounds the threshold from below.
 * The few numbers that reach it (about 45 for 32 wanted) are listed in workgroup memory and compared
 * with each other, in place of four digits with four barriers each. `vector`, which goes without
 * `dead`: columns divide by four and are read four at once.
 *
 * `dead` is the list {count, latents…}. Row r of z [rows, cols] writes element firstRow + r of threshold and
 * quota, and element firstKept + r of kept. What ends the work of a whole workgroup is read uniformly:
 * barriers follow.
 */
export function selectRows<Dead extends boolean>(
  { dead, vector = false }: { dead: Dead; vector?: boolean },
) {
  const { width, integers, parts, number } = elements(vector);
  const scan = (line: (value: string) => string) => `
    for (var i = lane; i < candidates / ${width}u; i += 64u) {
      let numbers = z[row * (sizes.cols / ${width}u) + ${dead ? "dead[1u + i]" : "i"}];
${parts("numbers").map((part) => `      ${line(part)}`).join("\n")}
    }`;
  const digit = (shift: number, bits: number) => {
    const above = shift + bits;
    return `{
  for (var bin = lane; bin < 256u; bin += 64u) { atomicStore(&counts[bin], 0u); }
  workgroupBarrier();
  for (var i = lane; i < candidates; i += 64u) {
    let value = ${number("z", `row * sizes.cols + ${dead ? "dead[1u + i]" : "i"}`)};
    if (value != 0u${above < 31 ? ` && (value >> ${above}u) == (prefix >> ${above}u)` : ""}) {
      atomicAdd(&counts[(value >> ${shift}u) & ${(1 << bits) - 1}u], 1u);
    }
  }
  workgroupBarrier();
  let top = 255u - lane * 4u;
  var own = 0u;
  for (var i = 0u; i < 4u; i++) { own += atomicLoad(&counts[top - i]); }
  sums[lane] = own;
  workgroupBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
  if (passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < 4u; i++) {
      let here = atomicLoad(&counts[top - i]);
      if (passed + here >= remaining) {
        found[0] = prefix | ((top - i) << ${shift}u);
        found[1] = remaining - passed;
        break;
      }
      passed += here;
    }
  }
  ${
      above < 31 ? "" : `if (lane == 63u && passed + own < remaining) {
    found[2] = 1u;
    found[3] = passed + own;
  }`
    }
  let chosen = workgroupUniformLoad(&found);
  prefix = chosen[0];
  remaining = chosen[1];
  if (chosen[2] != 0u) {
    if (lane == 0u) {
      threshold[sizes.firstRow + row] = 0u;
      quota[sizes.firstRow + row] = 0u;
      kept[sizes.firstKept + row] = chosen[3];
    }
    return;
  }
}`;
  };
  return defineKernel({
    label: dead ? "select dead" : "select rows",
    sizes: { rows: "u32", cols: "u32", firstRow: "u32", wanted: "u32", firstKept: "u32" },
    bind: {
      z: read(integers),
      threshold: write("u32"),
      quota: write("u32"),
      kept: write("u32"),
      dead: when(dead, read("u32")),
    },
    workgroup: 64,
    globals: [
      "var<workgroup> counts: array<atomic<u32>, 256>;",
      "var<workgroup> sums: array<u32, 64>;",
      "var<workgroup> found: array<u32, 4>;",
      `var<workgroup> near: array<u32, ${LISTED}>;`,
      "var<workgroup> nearCount: atomic<u32>;",
    ],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let candidates = ${dead ? "dead[0]" : "sizes.cols"};
  if (sizes.wanted <= 64u) {
    var own = 0u;${scan((value) => `own = max(own, ${value});`)}
    sums[lane] = own;
    workgroupBarrier();
    var ahead = 0u;
    for (var i = 0u; i < 64u; i++) {
      let other = sums[i];
      ahead += select(0u, 1u, other > own || (other == own && i < lane));
    }
    if (ahead + 1u == sizes.wanted) { found[0] = max(own, 1u); }
    workgroupBarrier();
    let least = found[0];${
      scan((value) =>
        `if (${value} >= least) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < ${LISTED}u) { near[at] = ${value}; }
      }`
      )
    }
    let reached = workgroupUniformLoad(&nearCount);
    if (reached <= ${LISTED}u) {
      if (lane == 0u && reached < sizes.wanted) {
        threshold[sizes.firstRow + row] = 0u;
        quota[sizes.firstRow + row] = 0u;
        kept[sizes.firstKept + row] = reached;
      }
      for (var i = lane; i < reached; i += 64u) {
        let value = near[i];
        var above = 0u;
        var equal = 0u;
        var first = true;
        for (var j = 0u; j < reached; j++) {
          above += select(0u, 1u, near[j] > value);
          equal += select(0u, 1u, near[j] == value);
          first = first && (j >= i || near[j] != value);
        }
        if (first && above < sizes.wanted && above + equal >= sizes.wanted) {
          threshold[sizes.firstRow + row] = value;
          quota[sizes.firstRow + row] = sizes.wanted - above;
          kept[sizes.firstKept + row] = sizes.wanted;
        }
      }
      return;
    }
  }
  var prefix = 0u;
  var remaining = sizes.wanted;
${digit(23, 8)}
${digit(15, 8)}
${digit(7, 8)}
${digit(0, 7)}
  if (lane == 0u) {
    threshold[sizes.firstRow + row] = prefix;
    quota[sizes.firstRow + row] = remaining;
    kept[sizes.firstKept + row] = sizes.wanted;
  }`,
  });
}
