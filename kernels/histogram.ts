/**
 * One pass of the radix selection: counts the positive numbers of z whose upper bits equal the
 * prefix found so far, by their next digit. Bits of positive floats sort as whole numbers. Sums of
 * whole numbers do not depend on their order, so atomics keep the result the same in every run.
 *
 * `shift` is the lowest bit of the digit, `bits` its width (at most 11: 8 KiB of workgroup memory).
 * `vector`: the numbers divide by four and are read four at once.
 *
 * Bindings: sizes {numbers}, z, counts [2048] (atomic), and after the first pass state {prefix}.
 */
export function histogram(
  { shift, bits, vector = false }: { shift: number; bits: number; vector?: boolean },
): string {
  const bins = 1 << bits;
  const above = shift + bits;
  const width = vector ? 4 : 1;
  const numbers = vector ? "vec4u" : "u32";
  const element = (name: string, i: number) => vector ? `${name}.${"xyzw"[i]}` : name;
  return `
struct Sizes { numbers: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<${numbers}>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
${above < 31 ? "@group(0) @binding(3) var<storage, read> state: array<u32>;" : ""}
var<workgroup> local: array<atomic<u32>, ${bins}>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = count.x * count.y * 256u;
  ${above < 31 ? `let prefix = state[0] >> ${above}u;` : ""}
  for (var at = (id.x + id.y * count.x) * 256u + lane; at < sizes.numbers / ${width}u; at += step) {
    let value = z[at];
    let fits = (value != ${numbers}())${
    above < 31 ? ` & (value >> ${numbers}(${above}u) == ${numbers}(prefix))` : ""
  };
    let bin = (value >> ${numbers}(${shift}u)) & ${numbers}(${bins - 1}u);
${
    Array.from({ length: width }, (_, i) =>
      `    if (${element("fits", i)}) { atomicAdd(&local[${element("bin", i)}], 1u); }`).join("\n")
  }
  }
  workgroupBarrier();
  for (var bin = lane; bin < ${bins}u; bin += 256u) {
    let found = atomicLoad(&local[bin]);
    if (found != 0u) { atomicAdd(&counts[bin], found); }
  }
}`;
}
