import { defineKernel, read, write } from "./define.ts";
import { elements } from "./prelude.ts";

/**
 * Writes the numbers of each row of z [rows, cols] above their latent's threshold as sparse rows, in
 * ascending order of latent. One workgroup per row.
 *
 * `lanes`: each has up to 32 consecutive columns and marks those above as bits, so that one exchange between
 * lanes is enough and z is read once. 64 for hardware; 8, the number that llvmpipe runs at once, take a
 * third of the time there. `vector`: 4 divides `cols`, and four columns are read at once.
 */
export function writeAboveThreshold(
  { lanes, vector = false }: { lanes: 8 | 64; vector?: boolean },
) {
  const { width, floats, integers: numbers, number } = elements(vector);
  const mark = vector
    ? `let marks = select(vec4u(), vec4u(1u, 2u, 4u, 8u), found);
      above |= (marks.x | marks.y | marks.z | marks.w) << i;`
    : "above |= select(0u, 1u, found) << i;";
  return defineKernel({
    label: "write rows above thresholds",
    sizes: { rows: "u32", cols: "u32", firstOut: "u32", capacity: "u32" },
    bind: {
      z: read(numbers),
      offsets: read("u32"),
      latents: write("u32"),
      values: write("u32"),
      threshold: read(floats),
    },
    workgroup: lanes,
    globals: [`var<workgroup> counts: array<u32, ${lanes}>;`],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let start = offsets[sizes.firstOut + row];
  if (start == offsets[sizes.firstOut + row + 1u]) { return; }
  let each = min(32u, (sizes.cols + ${lanes * width - 1}u) / ${lanes * width}u * ${width}u);
  // Numbers found in the tiles before.
  var passed = 0u;
  for (var tile = 0u; tile < sizes.cols; tile += ${lanes}u * each) {
    let begin = tile + lane * each;
    var above = 0u;
    for (var i = 0u; i < each && begin + i < sizes.cols; i += ${width}u) {
      let value = z[(row * sizes.cols + begin + i) / ${width}u];
      let found = (bitcast<${floats}>(value) > threshold[(begin + i) / ${width}u]) &
        (value != ${numbers}());
      ${mark}
    }
    counts[lane] = countOneBits(above);
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < lane; i++) { before += counts[i]; }
    var all = before;
    for (var i = lane; i < ${lanes}u; i++) { all += counts[i]; }
    workgroupBarrier();
    var at = start + passed + before;
    passed += all;
    for (var left = above; left != 0u && at < sizes.capacity; left &= left - 1u) {
      let latent = begin + firstTrailingBit(left);
      latents[at] = latent;
      values[at] = ${number("z", "row * sizes.cols + latent")};
      at++;
    }
  }`,
  });
}
