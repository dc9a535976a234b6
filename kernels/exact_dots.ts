import { STATE } from "./append_candidates.ts";
import { defineKernel, read, when, write } from "./define.ts";
import { countColumns, findListed, latentOf, list } from "./listed_columns.ts";
import { rowElements } from "./prelude.ts";

// Pre-activations one by one: the values that a screened selection compares and keeps. Every kernel here
// computes them by the same function, in one order of adding, so that they do not depend on the way by which a
// pair came to be looked at.

/** `exactDot(row, own)`: x[row] · w[own], four partial sums; each product is added as it is made. */
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

/** `activation(row, own)`: the bits of ReLU(x[row] · w[own] + bias), 0 where that is not a number. */
export const activation = (d: number): string =>
  `${exactDot(d)}

fn activation(row: u32, own: u32) -> u32 {
  let value = exactDot(row, own) + bias[sizes.first + own];
  return select(0u, bitcast<u32>(value), value > 0.0);
}`;

/** Their bindings. */
export const operands = (d: number) => {
  const { element } = rowElements(d);
  return { x: read(element), w: read(element), bias: read("f32") };
};

/**
 * The pre-activations of listed pairs {row, latent}, those of one shard: values[j] are the bits of pair j's,
 * 0 where it does not reach its cut; behind the last pair all are 0. `cutOf` "latent": the cut is to be
 * passed. Few workgroups walk the list.
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
 * bits: `histogram` of numbers that are computed on the way. Few workgroups walk all pairs.
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
 * Counts what each row keeps of one shard's latents: counts[2r] rises by the number of pre-activations that
 * reach the threshold selection[0], counts[2r + 1] by how many equal it; with `cutOf` "latent" by the number
 * of those above their latent's cut. One workgroup per row.
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

/** Counts of a row's pre-activations by a digit of their bits. */
export const ROW_BINS = 16;

/** Digits of `exactRowDigits`: of 4 bits, so that the counts of all rows are few; the first has 3. */
export const ROW_DIGITS = [28, 24, 20, 16, 12, 8, 4, 0].map((shift) => ({
  shift,
  bits: shift === 28 ? 3 : 4,
}));

/**
 * Counts each row's pre-activations of one shard by a digit, into counts [rows, 16]; of a later digit those
 * whose upper bits are the row's limit's. One workgroup per row.
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
 * Ends a digit of `exactRowDigits`, as `chooseDigit` does for a whole batch: limits [rows] are {prefix, how many
 * are wanted of what shares it}, {0, 0} where there are not so many. `first`: starts from `wanted`, and
 * kept[firstOut + r] gets how many the row will keep. The counts are left at zero. One thread per row.
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
 * Writes what each row keeps of one shard's latents as sparse rows: what is above the row's limit {bits,
 * quota}, and so many as its quota says of what equals it. Behind the limits of all rows stands how many of
 * both kinds were seen in the shards before; the first has `fresh` 1. With `cutOf` "latent" what is kept is
 * above its latent's cut too. One workgroup per row.
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
