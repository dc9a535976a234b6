import { columnFacts, screeningFacts, screeningSizes, STATE } from "./append_candidates.ts";
import { defineKernel, read, write } from "./define.ts";
import type { Factors } from "./dense_tiled.ts";
import type { Epilogue, ThreadTile } from "./epilogues.ts";
import { activation, operands } from "./exact_dots.ts";
import { countColumns, findListed, latentOf, list } from "./listed_columns.ts";
import { sumOver } from "./prelude.ts";

// A cut per row that at least `wanted` of its pre-activations reach, without a prediction. Columns are
// divided into groups. Of the `wanted` groups with the largest maximal estimates, the column with the
// largest estimate is computed exactly, and the smallest of these values is the cut. It is valid for any
// error of the estimates.

/** Smallest number of columns per group. */
const LEAST = 4;

/**
 * WGSL that divides `total` columns into groups of LEAST · 2^shift columns, with the smallest shift that
 * gives at most `groups`, and declares `base`, the first group of the shard whose first column is `begin`.
 * Each shard starts a new group, so that no group is in two shards.
 */
const countGroups = `
  var shift = 0u;
  while (((total / ${LEAST}u) >> shift) + sizes.shards + 1u > sizes.groups) { shift++; }
  let base = ((begin / ${LEAST}u) >> shift) + sizes.shard;`;

const groupSizes = { groups: "u32", shards: "u32", shard: "u32" } as const;

/**
 * Writes the largest positive estimate of each group to maxima [rows, groups] (0 before), as bits of a float
 * whose lowest bits are the index of the column in its group.
 */
export function raiseMaxima({ factors, listed = false }: { factors: Factors; listed?: boolean }) {
  const rounded = factors !== "float32";
  return {
    label: "maxima of groups",
    sizes: { ...screeningSizes, ...groupSizes, all: "u32" },
    bind: { ...screeningFacts, maxima: write("atomic<u32>") },
    write: ({ rows, columns, sum, column }: ThreadTile) =>
      `${columnFacts({ columns, column }, { listed, all: "sizes.all" })}
${countGroups}
${
        Array.from({ length: rows }, (_, r) =>
          `  if (row + ${r}u < sizes.rows) {
    let f = rowFacts[row + ${r}u];
    let first = (row + ${r}u) * sizes.groups + base;
    var best = 0u;
${
            Array.from({ length: columns }, (_, v) => {
              const own = `(${column(v)})`;
              const estimate = rounded ? `f32(${sum(r, v)}) * (f.x * w${v}.x)` : sum(r, v);
              return `    {
      let estimate = ${estimate} + w${v}.w;
      let bits = select(0u, bitcast<u32>(estimate), in${v} && estimate > 0.0 && estimate < 3e38);
      let low = ${LEAST}u << shift;
      best = max(best, select(0u, (bits & ~(low - 1u)) | (${own} & (low - 1u)), bits != 0u));${
                v % LEAST === LEAST - 1
                  ? `
      if (best != 0u) { atomicMax(&maxima[first + ((${own} / ${LEAST}u) >> shift)], best); }
      best = 0u;`
                  : ""
              }
    }`;
            }).join("\n")
          }
  }`).join("\n")
      }`,
  } as const satisfies Epilogue;
}

/** `wantedLargest(lane, first, last, wanted)`: the wanted-th largest number; 0 if fewer are not 0. */
const wantedLargest = (lanes: number, number: string) =>
  `fn wantedLargest(lane: u32, first: u32, last: u32, wanted: u32) -> u32 {
  var least = 0u;
  for (var bit = 0x40000000u; bit != 0u; bit >>= 1u) {
    var own = 0u;
    for (var at = first + lane; at < last; at += ${lanes}u) {
      if (${number} >= (least | bit)) { own++; }
    }
    if (total(lane, own) >= wanted) { least |= bit; }
  }
  return least;
}`;

/**
 * Finds the `wanted` groups of each row with the largest maxima: leasts [rows] is the smallest of these
 * maxima, or 0 if there are fewer groups. Cuts are initialized to 3e38, or 0. One workgroup per row.
 */
export const chooseGroups = () =>
  defineKernel({
    label: "choose groups",
    sizes: { rows: "u32", groups: "u32", wanted: "u32" },
    bind: { maxima: read("u32"), leasts: write("u32"), cuts: write("f32") },
    workgroup: 64,
    globals: [sumOver(64, "u32"), wantedLargest(64, "maxima[at]")],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let first = row * sizes.groups;
  let least = wantedLargest(lane, first, first + sizes.groups, sizes.wanted);
  if (lane == 0u) {
    leasts[row] = least;
    cuts[row] = select(0.0, 3e38, least != 0u);
  }`,
  });

/**
 * Lowers each row's cut to the smallest exact value of the chosen groups of one shard. One workgroup per
 * row.
 */
export const cutRows = <Listed extends boolean>(
  { d, listed }: { d: number; listed: Listed },
) =>
  defineKernel({
    label: "cut rows",
    sizes: {
      ...{ rows: "u32", first: "u32", latents: "u32", all: "u32" },
      ...groupSizes,
    } as const,
    bind: {
      ...operands(d),
      maxima: read("u32"),
      leasts: read("u32"),
      cuts: write("atomic<u32>"),
      list: list(listed),
    },
    workgroup: 64,
    globals: [activation(d), ...findListed(listed)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let least = leasts[row];
  if (least == 0u) { return; }
${countColumns(listed, { latents: "sizes.latents", all: "sizes.all" })}${countGroups}
  let low = ${LEAST}u << shift;
  let stop = base + ((cols + low - 1u) >> shift) / ${LEAST}u;
  for (var own = base + lane; own < stop; own += 64u) {
    let found = maxima[row * sizes.groups + own];
    if (found < least) { continue; }
    let column = (own - base) * low + (found & (low - 1u));
    let value = activation(row, ${latentOf(listed, "column")} - sizes.first);
    atomicMin(&cuts[row], value);
  }`,
  });

/**
 * Checks whether a screening of rows was complete: if the list is full, sets `retry`, or with `last` 1
 * `failed`.
 */
export const judgeRows = () =>
  defineKernel({
    label: "judge rows",
    sizes: { capacity: "u32", last: "u32" },
    bind: { state: write("u32") },
    workgroup: 1,
    body: `
  let full = state[${STATE.count}] > sizes.capacity;
  state[${STATE.retry}] = select(0u, 1u, full && sizes.last == 0u);
  state[${STATE.failed}] = select(0u, 1u, full && sizes.last == 1u);
  if (full) { state[${STATE.count}] = 0u; }`,
  });

/**
 * The `wanted` largest placed entries of each row: limits [rows] are {bits, number of equals to keep}, {0, 0}
 * if all are kept, and kept[firstOut + r] is their number. One workgroup per row.
 */
export const limitRows = () =>
  defineKernel({
    label: "limit rows",
    sizes: { rows: "u32", wanted: "u32", firstOut: "u32" },
    bind: {
      starts: read("u32"),
      placed: read("vec2u"),
      limits: write("vec2u"),
      kept: write("u32"),
    },
    workgroup: 64,
    globals: [sumOver(64, "u32"), wantedLargest(64, "placed[at].y")],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let first = starts[row];
  let last = starts[row + 1u];
  var limit = vec2u();
  if (last - first > sizes.wanted) {
    limit.x = wantedLargest(lane, first, last, sizes.wanted);
    var own = 0u;
    for (var at = first + lane; at < last; at += 64u) {
      if (placed[at].y > limit.x) { own++; }
    }
    limit.y = sizes.wanted - total(lane, own);
  }
  if (lane == 0u) {
    limits[row] = limit;
    kept[sizes.firstOut + row] = min(last - first, sizes.wanted);
  }`,
  });
