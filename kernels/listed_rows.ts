import { STATE } from "./append_candidates.ts";
import { defineKernel, read, write } from "./define.ts";
import { sumBefore } from "./prelude.ts";

// From a list of pairs {row, latent} with their values, in any order, to sparse rows with ascending latents.
// Atomics count integers and assign positions within a row; `writeListed` then sorts each row's latents, so
// that the result does not depend on the order of the atomics.

const walk = (body: string) => `
  let count = min(state[${STATE.count}], sizes.capacity);
  for (var slot = thread; slot < count; slot += groups * 64u) {
    let value = values[slot];
    if (value == 0u || value < selection[0]) { continue; }
    ${body}
  }`;

/** Sets counts [2 · rows] to 0. */
export const clearCounts = () =>
  defineKernel({
    label: "clear counts",
    sizes: { length: "u32" },
    bind: { counts: write("u32") },
    workgroup: 64,
    body: `
  if (thread < sizes.length) { counts[thread] = 0u; }`,
  });

/**
 * Counts per row: adds to counts[2r] the number of listed values that reach the threshold selection[0], and
 * to counts[2r + 1] the number of those equal to it. A few workgroups process the list.
 */
export const countListed = () =>
  defineKernel({
    label: "count listed",
    sizes: { capacity: "u32" },
    bind: {
      pairs: read("vec2u"),
      values: read("u32"),
      state: read("u32"),
      selection: read("u32"),
      counts: write("atomic<u32>"),
    },
    workgroup: 64,
    body: walk(`let row = pairs[slot].x;
    atomicAdd(&counts[2u * row], 1u);
    if (value == selection[0]) { atomicAdd(&counts[2u * row + 1u], 1u); }`),
  });

/**
 * Offsets per row: starts [rows + 1] of the listed values, limits {threshold, quota}, and offsets[firstOut +
 * …] of the kept values. Of the numbers equal to the threshold the first selection[1] in order of row are
 * kept. One workgroup.
 */
export const planListed = () =>
  defineKernel({
    label: "plan listed",
    sizes: { rows: "u32", firstOut: "u32" },
    bind: {
      selection: read("u32"),
      counts: read("u32"),
      starts: write("u32"),
      limits: write("vec2u"),
      offsets: write("u32"),
    },
    workgroup: 256,
    globals: [sumBefore(256)],
    body: `
  let each = (sizes.rows + 255u) / 256u;
  let begin = min(lane * each, sizes.rows);
  let stop = min(begin + each, sizes.rows);
  var listed = 0u;
  var equals = 0u;
  for (var row = begin; row < stop; row++) {
    listed += counts[2u * row];
    equals += counts[2u * row + 1u];
  }
  var start = sumBefore(lane, listed);
  workgroupBarrier();
  var before = sumBefore(lane, equals);
  workgroupBarrier();
  var own = 0u;
  for (var row = begin; row < stop; row++) {
    let here = counts[2u * row + 1u];
    let quota = min(here, max(selection[1], before) - before);
    before += here;
    limits[row] = vec2u(selection[0], quota);
    own += counts[2u * row] - here + quota;
  }
  var at = offsets[sizes.firstOut] + sumBefore(lane, own);
  for (var row = begin; row < stop; row++) {
    start += counts[2u * row];
    starts[row + 1u] = start;
    at += counts[2u * row] - counts[2u * row + 1u] + limits[row].y;
    offsets[sizes.firstOut + row + 1u] = at;
  }`,
  });

/** Sorts the listed pairs that reach the threshold by row: placed[starts[r] …] are {latent, value}. */
export const placeListed = () =>
  defineKernel({
    label: "place listed",
    sizes: { capacity: "u32" },
    bind: {
      pairs: read("vec2u"),
      values: read("u32"),
      state: read("u32"),
      selection: read("u32"),
      starts: read("u32"),
      counts: write("atomic<u32>"),
      placed: write("vec2u"),
    },
    workgroup: 64,
    body: walk(`let pair = pairs[slot];
    let place = atomicSub(&counts[2u * pair.x], 1u) - 1u;
    placed[starts[pair.x] + place] = vec2u(pair.y, value);`),
  });

/** Latents that are ranked at a time: two bits each, and a count per 32. */
const CHUNK = 16384;

/**
 * Writes the kept values of each row in ascending order of latent: those above its limit {bits, quota}, and
 * `quota` of those equal to it. Latents are marked as bits; the number of bits before a latent is its
 * position, so that the work is proportional to `cols` / 32 words and the entries. One workgroup per row.
 */
export const writeListed = () => {
  const words = CHUNK / 32;
  return defineKernel({
    label: "write listed",
    sizes: { rows: "u32", cols: "u32", firstOut: "u32", capacity: "u32" },
    bind: {
      starts: read("u32"),
      placed: read("vec2u"),
      limits: read("vec2u"),
      offsets: read("u32"),
      latents: write("u32"),
      values: write("u32"),
    },
    workgroup: 64,
    globals: [
      sumBefore(64),
      `var<workgroup> above: array<atomic<u32>, ${words}>;`,
      `var<workgroup> equal: array<atomic<u32>, ${words}>;`,
      `var<workgroup> before: array<u32, ${words + 1}>;`,
    ],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let first = starts[row];
  let last = starts[row + 1u];
  if (first == last) { return; }
  let limit = limits[row];
  let start = offsets[sizes.firstOut + row];
  // Numbers above the limit and equal to it in the chunks before.
  var passed = vec2u();
  for (var base = 0u; base < sizes.cols; base += ${CHUNK}u) {
    let used = (min(${CHUNK}u, sizes.cols - base) + 31u) / 32u;
    for (var word = lane; word < used; word += 64u) {
      atomicStore(&above[word], 0u);
      atomicStore(&equal[word], 0u);
    }
    workgroupBarrier();
    for (var at = first + lane; at < last; at += 64u) {
      let latent = placed[at].x - base;
      if (latent >= ${CHUNK}u) { continue; }
      let bit = 1u << (latent & 31u);
      if (placed[at].y > limit.x) { atomicOr(&above[latent / 32u], bit); }
      else if (placed[at].y == limit.x) { atomicOr(&equal[latent / 32u], bit); }
    }
    workgroupBarrier();
    // Each lane owns a run of words; both kinds' counts share a word, at most ${CHUNK} each.
    let each = (used + 63u) / 64u;
    let begin = min(lane * each, used);
    let stop = min(begin + each, used);
    var own = 0u;
    for (var word = begin; word < stop; word++) {
      own += countOneBits(atomicLoad(&above[word])) |
        (countOneBits(atomicLoad(&equal[word])) << 16u);
    }
    var sum = sumBefore(lane, own);
    for (var word = begin; word < stop; word++) {
      before[word] = sum;
      sum += countOneBits(atomicLoad(&above[word])) |
        (countOneBits(atomicLoad(&equal[word])) << 16u);
    }
    if (lane == 63u) { before[${words}] = sum; }
    workgroupBarrier();
    for (var at = first + lane; at < last; at += 64u) {
      let entry = placed[at];
      let latent = entry.x - base;
      if (latent >= ${CHUNK}u) { continue; }
      let word = latent / 32u;
      let below = (1u << (latent & 31u)) - 1u;
      let rank = passed + vec2u(before[word] & 0xffffu, before[word] >> 16u) + vec2u(
        countOneBits(atomicLoad(&above[word]) & below),
        countOneBits(atomicLoad(&equal[word]) & below),
      );
      if (entry.y < limit.x || (entry.y == limit.x && rank.y >= limit.y)) { continue; }
      let out = start + rank.x + min(rank.y, limit.y);
      if (out < sizes.capacity) {
        latents[out] = entry.x;
        values[out] = entry.y;
      }
    }
    let all = before[${words}];
    passed += vec2u(all & 0xffffu, all >> 16u);
    workgroupBarrier();
  }`,
  });
};
