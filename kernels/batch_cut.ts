import { STATE } from "./append_candidates.ts";
import { defineKernel, read, write } from "./define.ts";
import { sumBefore } from "./prelude.ts";

// The cut of a batch, computed on the GPU: predicted from the last threshold, verified, and corrected where
// it was wrong. `cut` [1] is a float; `counts` [2048] is a histogram of positive numbers by the upper 11 of
// their 31 bits, see `histogram`.

/**
 * Starts a selection: the cut is a little below the last threshold, whose bits are selection[0]; without one
 * a sample is requested. One workgroup.
 */
export const predictCut = () =>
  defineKernel({
    label: "predict cut",
    sizes: {},
    bind: { selection: read("u32"), cut: write("f32"), state: write("u32") },
    workgroup: 1,
    body: `
  let last = bitcast<f32>(selection[0]);
  let known = last > 0.0 && last < 1e30;
  cut[0] = select(0.0, 0.95 * last, known);
  state[${STATE.count}] = 0u;
  state[${STATE.retry}] = 0u;
  state[${STATE.sample}] = select(1u, 0u, known);
  state[${STATE.failed}] = 0u;`,
  });

/** Lane 0 has the highest bins: own = number of values in its eight bins, passed = number above them. */
const walk = `
  let top = 2047u - lane * 8u;
  var own = 0u;
  for (var i = 0u; i < 8u; i++) { own += counts[top - i]; }
  var passed = sumBefore(lane, own);`;

/** Sets `edge` to the lower end of the bin with the wanted-th largest number, in the lane that has it. */
const find = (wanted: string) => `
  if (passed < ${wanted} && passed + own >= ${wanted}) {
    var above = passed;
    for (var i = 0u; i < 8u; i++) {
      above += counts[top - i];
      if (above >= ${wanted}) {
        edge = (top - i) << 20u;
        break;
      }
    }
  }
  let lowest = bitcast<f32>(workgroupUniformLoad(&edge));`;

const clear = "for (var i = 0u; i < 8u; i++) { counts[top - i] = 0u; }";

const bindings = { counts: write("u32"), cut: write("f32"), state: write("u32") };

const globals = [sumBefore(256), "var<workgroup> edge: u32;"];

/**
 * Computes the cut from a sample's histogram: 0.8 times the share-th largest number, or 0 if there are
 * fewer; at most half of a cut that was too high. One workgroup.
 */
export const sampleCut = () =>
  defineKernel({
    label: "sample cut",
    sizes: { share: "u32" },
    bind: bindings,
    workgroup: 256,
    globals,
    body: `${walk}${find("sizes.share")}
  if (lane == 0u) {
    let before = cut[0];
    let sampled = select(0.0, 0.8 * lowest, lowest < 1e30);
    cut[0] = select(sampled, min(sampled, 0.5 * before), before > 0.0);
    state[${STATE.sample}] = 0u;
  }
  ${clear}`,
  });

/**
 * Checks whether a screening found enough; `counts` are those of listed numbers that reach the cut. If the
 * list is full, the cut is raised to one that `wanted` of the listed numbers reach. If there are too few
 * numbers, the cut is computed from a sample, or with `last` 1, before the last attempt, set to 0, which all
 * positive numbers reach. With `last` 2 there are no more attempts: the selection has failed. One
 * workgroup.
 */
export const judgeCut = () =>
  defineKernel({
    label: "judge cut",
    sizes: { wanted: "u32", capacity: "u32", last: "u32" },
    bind: bindings,
    workgroup: 256,
    globals,
    body: `
  let full = state[${STATE.count}] > sizes.capacity;
  let before = cut[0];
  storageBarrier();${walk}${find("sizes.wanted")}
  let few = lowest == 0.0;
  if (!full && (!few || before == 0.0)) {
    if (lane == 0u) { state[${STATE.retry}] = 0u; }
    return;
  }
  ${clear}
  if (lane == 0u) {
    state[${STATE.count}] = 0u;
    state[${STATE.retry}] = select(1u, 0u, sizes.last == 2u);
    state[${STATE.failed}] = select(0u, 1u, sizes.last == 2u);
    if (full) {
      cut[0] = max(before, lowest);
    } else if (sizes.last == 0u) {
      state[${STATE.sample}] = 1u;
    } else {
      cut[0] = 0.0;
    }
  }`,
  });
