import { STATE } from "./append_candidates.ts";
import { defineKernel, read, when, write } from "./define.ts";
import { countColumns, findListed, latentOf, list } from "./listed_columns.ts";
import { rowElements } from "./prelude.ts";

// Exact pre-activations of single pairs, which a screened selection compares and keeps. All kernels here
// use the same function with the same order of summation, so that values do not depend on how a pair was
// selected for evaluation.

/** `exactDot(row, own)`: x[row] · w[own], in four partial sums with fused multiply-add. */
function exactDot(d: number): string {
  const { element, width } = rowElements(d);
  const vector = element === "vec4f";
  return `fn exactDot(row: u32, own: u32) -> f32 {
  var sum = ${vector ? "vec4f()" : "0.0"};
  for (var c = 0u; c < ${width}u; c++) {
    sum = fma(x[row * ${width}u + c], w[own * ${width}u + c], sum);
  }
  return ${vector ? "(sum.x + sum.y) + (sum.z + sum.w)" : "sum"};
}`;
}

/** `activation(row, own)`: the bits of ReLU(x[row] · w[own] + bias), 0 if that is NaN. */
export const activation = (d: number): string =>
  `${exactDot(d)}

fn activation(row: u32, own: u32) -> u32 {
  let value = exactDot(row, own) + bias[sizes.first + own];
  return select(0u, bitcast<u32>(value), value > 0.0);
}`;

/** Bindings of {@linkcode activation}. */
export const operands = (d: number) => {
  const { element } = rowElements(d);
  return { x: read(element), w: read(element), bias: read("f32") };
};

/**
 * The pre-activations of the listed pairs {row, latent} of one shard: values[j] has the bits of pair j's, 0
 * if it does not reach its cut; after the last pair all are 0. With `cutOf` "latent" the cut must be
 * exceeded. A few workgroups process the list.
 */
export function exactDots({ d, cutOf }: { d: number; cutOf: "batch" | "row" | "latent" }) {
  const cut = { batch: "cuts[0]", row: "cuts[pair.x]", latent: "cuts[pair.y]" }[cutOf];
  return defineKernel({
    label: "exact dots",
    sizes: { first: "u32", latents: "u32", capacity: "u32" },
    bind: {
      ...operands(d),
      pairs: read("vec2u"),
      state: read("u32"),
      cuts: read("f32"),
      values: write("u32"),
    },
    workgroup: 64,
    globals: [activation(d)],
    body: `
  let count = min(state[${STATE.count}], sizes.capacity);
  for (var slot = thread; slot < sizes.capacity; slot += groups * 64u) {
    if (slot >= count) {
      values[slot] = 0u;
      continue;
    }
    let pair = pairs[slot];
    let own = pair.y - sizes.first;
    if (own >= sizes.latents) { continue; }
    let bits = activation(pair.x, own);
    values[slot] = select(0u, bits, bitcast<f32>(bits) ${cutOf === "latent" ? ">" : ">="} ${cut});
  }`,
  });
}

/**
 * Counts the positive pre-activations of rows 0, stride, 2 · stride, … (`rows` of them) by a digit of their
 * bits: a `histogram` without stored numbers. A few workgroups process all pairs.
 */
export function exactDigits<Later extends boolean>(
  { d, shift, bits, later }: { d: number; shift: number; bits: number; later: Later },
) {
  const above = shift + bits;
  return defineKernel({
    label: "exact digits",
    sizes: { rows: "u32", stride: "u32", first: "u32", latents: "u32" },
    bind: { ...operands(d), counts: write("atomic<u32>"), selection: when(later, read("u32")) },
    workgroup: 256,
    globals: [activation(d), `var<workgroup> local: array<atomic<u32>, ${1 << bits}>;`],
    body: `
  for (var own = thread; own < sizes.latents; own += groups * 256u) {
    for (var row = 0u; row < sizes.rows; row++) {
      let value = activation(row * sizes.stride, own);
      if (value != 0u${later ? ` && (value >> ${above}u) == (selection[0] >> ${above}u)` : ""}) {
        atomicAdd(&local[(value >> ${shift}u) & ${(1 << bits) - 1}u], 1u);
      }
    }
  }
  workgroupBarrier();
  for (var bin = lane; bin < ${1 << bits}u; bin += 256u) {
    let found = atomicLoad(&local[bin]);
    if (found != 0u) { atomicAdd(&counts[bin], found); }
  }`,
  });
}

/**
 * Counts the latents of one shard that each row keeps: adds to counts[2r] the number of pre-activations that
 * reach the threshold selection[0], or with `cutOf` "latent" that are above their latent's cut, and to
 * counts[2r + 1] the number of those equal to the threshold. One workgroup per row.
 */
export function exactCounts<Cut extends "batch" | "latent">(
  { d, cutOf }: { d: number; cutOf: Cut },
) {
  const own = cutOf === "latent";
  return defineKernel({
    label: "exact counts",
    sizes: { rows: "u32", first: "u32", latents: "u32" },
    bind: {
      ...operands(d),
      selection: when(!own as Cut extends "latent" ? false : true, read("u32")),
      counts: write("atomic<u32>"),
      cuts: when(own as Cut extends "latent" ? true : false, read("f32")),
    },
    workgroup: 64,
    globals: [activation(d)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  var found = vec2u();
  for (var own = lane; own < sizes.latents; own += 64u) {
    let value = activation(row, own);
${
      own
        ? `    if (value != 0u && bitcast<f32>(value) > cuts[sizes.first + own]) { found.x++; }`
        : `    if (value != 0u && value >= selection[0]) {
      found += vec2u(1u, select(0u, 1u, value == selection[0]));
    }`
    }
  }
  if (found.x != 0u) { atomicAdd(&counts[2u * row], found.x); }
  if (found.y != 0u) { atomicAdd(&counts[2u * row + 1u], found.y); }`,
  });
}

/** Number of counts per row in `exactRowDigits`. */
export const ROW_BINS = 16;

/** Digits of `exactRowDigits`: 4 bits each, the first 3, which needs few counts per row. */
export const ROW_DIGITS = [28, 24, 20, 16, 12, 8, 4, 0].map((shift) => ({
  shift,
  bits: shift === 28 ? 3 : 4,
}));

/**
 * Counts each row's pre-activations of one shard by a digit, into counts [rows, 16]; for later digits those
 * with the upper bits of the row's limit. One workgroup per row.
 */
export function exactRowDigits<Later extends boolean, Listed extends boolean>(
  { d, shift, bits, later, listed }: {
    d: number;
    shift: number;
    bits: number;
    later: Later;
    listed: Listed;
  },
) {
  const above = shift + bits;
  return defineKernel({
    label: "exact row digits",
    sizes: { rows: "u32", first: "u32", latents: "u32" },
    bind: {
      ...operands(d),
      counts: write("atomic<u32>"),
      limits: when(later, read("vec2u")),
      list: list(listed),
    },
    workgroup: 64,
    globals: [activation(d), ...findListed(listed)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
${countColumns(listed, { latents: "sizes.latents" })}
  for (var column = lane; column < cols; column += 64u) {
    let value = activation(row, ${latentOf(listed, "column")} - sizes.first);
    if (value != 0u${later ? ` && (value >> ${above}u) == (limits[row].x >> ${above}u)` : ""}) {
      atomicAdd(&counts[row * ${ROW_BINS}u + ((value >> ${shift}u) & ${(1 << bits) - 1}u)], 1u);
    }
  }`,
  });
}

/**
 * Ends a digit of `exactRowDigits`, as `chooseDigit` does for a batch: limits [rows] are {prefix, number to
 * keep of those with the prefix}, {0, 0} if there are fewer than wanted. `first`: starts from `wanted`, and
 * writes the number that the row will keep to kept[firstOut + r]. The counts are reset to 0. One thread per
 * row.
 */
export const chooseRowDigit = ({ shift, first }: { shift: number; first: boolean }) =>
  defineKernel({
    label: "choose row digit",
    sizes: { rows: "u32", wanted: "u32", firstOut: "u32" },
    bind: { counts: write("u32"), limits: write("vec2u"), kept: when(first, write("u32")) },
    workgroup: 64,
    body: `
  let row = thread;
  if (row >= sizes.rows) { return; }
  var limit = ${first ? "vec2u(0u, sizes.wanted)" : "limits[row]"};
  var passed = 0u;
  var found = limit.y == 0u;
  for (var i = 0u; i < ${ROW_BINS}u; i++) {
    let bin = ${ROW_BINS - 1}u - i;
    let here = counts[row * ${ROW_BINS}u + bin];
    counts[row * ${ROW_BINS}u + bin] = 0u;
    if (!found && passed + here >= limit.y) {
      limit = vec2u(limit.x | (bin << ${shift}u), limit.y - passed);
      found = true;
    }
    passed += here;
  }
  ${first ? "kept[sizes.firstOut + row] = min(passed, sizes.wanted);" : ""}
  limits[row] = select(vec2u(), limit, found);`,
  });

/**
 * Writes the latents of one shard that each row keeps as sparse rows: those above the row's limit {bits,
 * quota}, and `quota` of those equal to it. The limits of all rows are followed by the numbers of both kinds
 * in the shards before; the first shard has `fresh` 1. With `cutOf` "latent" kept values must also be above
 * their latent's cut. One workgroup per row.
 */
export const exactRows = <Listed extends boolean, Cut extends "limit" | "latent" = "limit">(
  { d, listed, cutOf = "limit" as Cut }: { d: number; listed: Listed; cutOf?: Cut },
) =>
  defineKernel({
    label: "exact rows",
    sizes: {
      rows: "u32",
      first: "u32",
      latents: "u32",
      firstOut: "u32",
      capacity: "u32",
      fresh: "u32",
    },
    bind: {
      ...operands(d),
      limits: write("vec2u"),
      offsets: read("u32"),
      latents: write("u32"),
      values: write("u32"),
      list: list(listed),
      cuts: when((cutOf === "latent") as Cut extends "latent" ? true : false, read("f32")),
    },
    workgroup: 64,
    globals: [
      ...findListed(listed),
      activation(d),
      "var<workgroup> marks: array<u32, 64>;",
    ],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let limit = limits[row];
  let start = offsets[sizes.firstOut + row];
  // Numbers above the limit and equal to it before this lane's.
  var passed = select(limits[sizes.rows + row], vec2u(), sizes.fresh == 1u);
${countColumns(listed, { latents: "sizes.latents" })}
  for (var base = 0u; base < cols; base += 64u) {
    let latent = ${latentOf(listed, "min(base + lane, cols - 1u)")};
    var value = 0u;
    if (base + lane < cols) { value = activation(row, latent - sizes.first); }
    let above = value != 0u && value > limit.x${
      cutOf === "latent" ? " && bitcast<f32>(value) > cuts[latent]" : ""
    };
    let equal = value != 0u && value == limit.x;
    workgroupBarrier();
    marks[lane] = select(0u, 1u, above) | select(0u, 0x10000u, equal);
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += marks[i]; }
    var all = before;
    for (var i = lane; i < 64u; i++) { all += marks[i]; }
    let rank = passed + vec2u(before & 0xffffu, before >> 16u);
    passed += vec2u(all & 0xffffu, all >> 16u);
    if (above || (equal && rank.y < limit.y)) {
      let at = start + rank.x + min(rank.y, limit.y);
      if (at < sizes.capacity) {
        latents[at] = latent;
        values[at] = value;
      }
    }
  }
  workgroupBarrier();
  if (lane == 0u) { limits[sizes.rows + row] = passed; }`,
  });
