import { defineKernel, read, write } from "./define.ts";
import { elements, sumOver } from "./prelude.ts";

/**
 * Counts the numbers of each row of z [rows, cols] above their column's threshold. `vector`: 4 divides
 * `cols`, and four columns are read at once. Row r of z writes element firstRow + r. One workgroup per row.
 */
export function countRows({ vector = false }: { vector?: boolean }) {
  const { width, floats, integers: numbers } = elements(vector);
  return defineKernel({
    label: "count rows",
    sizes: { rows: "u32", cols: "u32", firstRow: "u32" },
    bind: { z: read(numbers), threshold: read(floats), kept: write("u32") },
    workgroup: 64,
    globals: [sumOver(64, "u32")],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let each = sizes.cols / ${width}u;
  var above = ${numbers}();
  for (var i = lane; i < each; i += 64u) {
    let value = z[row * each + i];
    above += select(
      ${numbers}(),
      ${numbers}(1u),
      (value != ${numbers}()) & (bitcast<${floats}>(value) > threshold[i]),
    );
  }
  let all = total(lane, ${vector ? "dot(above, vec4u(1u))" : "above"});
  if (lane == 0u) { kept[sizes.firstRow + row] = all; }`,
  });
}
