import { defineKernel, read, write } from "./define.ts";

/**
 * The largest of each row's values, and its index; of equal values the one with the lowest index. Values and
 * indices are [rows, slots]; row r writes element firstOut + r of maxima and which. One workgroup per row.
 */
export const mergeMaxima = () =>
  defineKernel({
    label: "merge maxima",
    sizes: { rows: "u32", slots: "u32", firstOut: "u32" },
    bind: {
      values: read("f32"),
      indices: read("u32"),
      maxima: write("f32"),
      which: write("u32"),
    },
    workgroup: 64,
    globals: [
      "var<workgroup> laneBest: array<f32, 64>;",
      "var<workgroup> laneIndex: array<u32, 64>;",
    ],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  var best = -2.0;
  var index = 0xffffffffu;
  for (var slot = lane; slot < sizes.slots; slot += 64u) {
    let value = values[row * sizes.slots + slot];
    let other = indices[row * sizes.slots + slot];
    if (value > best || (value == best && other < index)) {
      best = value;
      index = other;
    }
  }
  laneBest[lane] = best;
  laneIndex[lane] = index;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) {
      if (laneBest[i] > best || (laneBest[i] == best && laneIndex[i] < index)) {
        best = laneBest[i];
        index = laneIndex[i];
      }
    }
    maxima[sizes.firstOut + row] = best;
    which[sizes.firstOut + row] = index;
  }`,
  });
