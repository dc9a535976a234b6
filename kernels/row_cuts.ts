import { columnFacts, screeningFacts, screeningSizes, STATE } from "./append_candidates.ts";
import { defineKernel, read, write } from "./define.ts";
import type { Factors } from "./dense_tiled.ts";
import type { Epilogue, ThreadTile } from "./epilogues.ts";
import { activation, operands } from "./exact_dots.ts";
import { countColumns, findListed, latentOf, list } from "./listed_columns.ts";
import { sumOver } from "./prelude.ts";

// A cut for each row that at least `wanted` of its pre-activations reach, without a prediction. Columns are
// divided into groups; the column with the largest estimate of each of the wanted groups whose largest
// estimates are the largest is computed exactly, and the least of those is the cut. It holds however wrong the
// estimates are.

/** Columns of a group, at least. */
const LEAST = 4;

/**
 * Declares how `total` columns are grouped: groups of LEAST · 2^shift columns, as small as leaves no more
 * than `groups`, and `base`, the first group of the shard whose first column is column `begin`. A shard begins
 * a group of its own, so that no group is in two.
 */
const countGroups = `
  var shift = 0u;
  while (((total / ${LEAST}u) >> shift) + sizes.shards + 1u > sizes.groups) { shift++; }
  let base = ((begin / ${LEAST}u) >> shift) + sizes.shard;`;

const groupSizes = { groups: "u32", shards: "u32", shard: "u32" } as const;

/**
 * Raises maxima [rows, groups] to the largest positive estimate of each group, as bits of a float whose lowest
 * are the number of the column in its group. They are zero before.
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

/** `largest(lane, first, last, wanted)`: the wanted-th largest of numbers, or 0 where there are fewer that are not 0. */
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
 * Finds the groups of each row whose maxima are the `wanted` largest: leasts [rows] is the least of them, or 0
 * where there are not so many; the cuts are as high as can be, or 0. One workgroup per row.
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
 * Lowers each row's cut to the pre-activations that stand for the groups of one shard that were chosen. One
 * workgroup per row.
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
 * Looks whether a screening of rows was complete: where the list was full it is to be done again (flags:
 * `retry`), or with `last` 1 has failed.
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
 * Which of its placed entries each row keeps, the `wanted` largest: limits [rows] {bits, how many that equal them},
 * {0, 0} where it keeps all, and kept[firstOut + r], how many. One workgroup per row.
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
