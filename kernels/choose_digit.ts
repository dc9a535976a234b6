/**
 * Ends one pass of the radix selection: walks the histogram from its top until `remaining` numbers
 * are passed, appends that digit to the prefix, and keeps how many numbers are still wanted among
 * those that share it. The histogram is left empty for the next pass.
 *
 * After the last pass `state` is {bits of the threshold, how many numbers equal to it to keep}.
 * Where there are fewer positive numbers than wanted it is {0, 0}: all positive numbers stay.
 * `first`: the pass that starts from `wanted`.
 *
 * Bindings: counts [2048], state {prefix, remaining, exhausted}, and in the first pass sizes {wanted}.
 * One workgroup.
 */
export function chooseDigit(
  { shift, bits, first }: { shift: number; bits: number; first: boolean },
): string {
  const each = (1 << bits) / 256;
  return `
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
${first ? "struct Sizes { wanted: u32 }\n@group(0) @binding(2) var<uniform> sizes: Sizes;" : ""}
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  // Lane 0 owns the highest bins.
  let top = ${(1 << bits) - 1}u - lane * ${each}u;
  var own = 0u;
  for (var i = 0u; i < ${each}u; i++) { own += counts[top - i]; }
  sums[lane] = own;
  ${first ? "let remaining = sizes.wanted;" : "let remaining = state[1];"}
  ${first ? "let exhausted = false;" : "let exhausted = state[2] != 0u;"}
  ${first ? "let prefix = 0u;" : "let prefix = state[0];"}
  workgroupBarrier();
  storageBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
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
  for (var i = 0u; i < ${each}u; i++) { counts[top - i] = 0u; }
}`;
}
