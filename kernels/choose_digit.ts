import { defineKernel, write } from "./define.ts";
import { sumBefore } from "./prelude.ts";

/**
 * Ends a pass of the radix selection: finds the digit at which `remaining` numbers are passed in the
 * histogram `counts` [2048] from the top, appends it to the prefix, and stores how many numbers with this
 * prefix are still to be kept. The histogram is reset to 0 for the next pass.
 *
 * `state` is {prefix, remaining, exhausted}, and after the last pass {bits of the threshold, number of
 * equals to keep}. If there are fewer positive numbers than wanted it is {0, 0}: all positive numbers are
 * kept. The first pass, which starts from `wanted`, has `first` 1. One workgroup.
 */
export function chooseDigit({ shift, bits }: { shift: number; bits: number }) {
  const each = (1 << bits) / 256;
  return defineKernel({
    label: "choose digit",
    sizes: { first: "u32", wanted: "u32" },
    bind: { counts: write("u32"), state: write("u32") },
    workgroup: 256,
    globals: [sumBefore(256)],
    body: `
  // Lane 0 owns the highest bins.
  let top = ${(1 << bits) - 1}u - lane * ${each}u;
  var own = 0u;
  for (var i = 0u; i < ${each}u; i++) { own += counts[top - i]; }
  let first = sizes.first == 1u;
  let remaining = select(state[1], sizes.wanted, first);
  let exhausted = !first && state[2] != 0u;
  let prefix = select(state[0], 0u, first);
  storageBarrier();
  var passed = sumBefore(lane, own);
  if (!exhausted && passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < ${each}u; i++) {
      let here = counts[top - i];
      if (passed + here >= remaining) {
        state[0] = prefix | ((top - i) << ${shift}u);
        state[1] = remaining - passed;
        state[2] = 0u;
        break;
      }
      passed += here;
    }
  }
  // The last lane sees the whole sum; later passes always find as many as they look for.
  if (lane == 255u && (exhausted || passed + own < remaining)) {
    state[0] = 0u; state[1] = 0u; state[2] = 1u;
  }
  workgroupBarrier();
  for (var i = 0u; i < ${each}u; i++) { counts[top - i] = 0u; }`,
  });
}
