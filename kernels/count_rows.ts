import { defineKernel, read, when, write } from "./define.ts";
import { elements, sumOver } from "./prelude.ts";

/**
 * Counts what each row of z [rows, cols] keeps: how many numbers are above the threshold and, with
 * `ties`, how many are equal to it. With `ties` there is one threshold, as bits of a float (the end of a
 * radix selection); else one for each column, as floats, strict. `vector`: columns divide by four and
 * are read four at once. Row r of z writes element firstRow + r. One workgroup a row.
 */
export function countRows<Ties extends boolean>(
  { ties, vector = false }: { ties: Ties; vector?: boolean },
) {
  const { width, floats, integers: numbers } = elements(vector);
  const count = (condition: string) => `select(${numbers}(), ${numbers}(1u), ${condition})`;
  const parts = (name: string) => vector ? `dot(${name}, vec4u(1u))` : name;
  return defineKernel({
    label: "count rows",
    sizes: { rows: "u32", cols: "u32", firstRow: "u32" },
    bind: {
      z: read(numbers),
      threshold: read(ties ? "u32" : floats),
      kept: write("u32"),
      ties: when(ties, write("u32")),
    },
    workgroup: 64,
    globals: [sumOver(64, "vec2u")],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let each = sizes.cols / ${width}u;
  ${ties ? `let limit = ${numbers}(threshold[0]);` : ""}
  var above = ${numbers}();
  var equal = ${numbers}();
  for (var i = lane; i < each; i += 64u) {
    let value = z[row * each + i];
${
      ties
        ? `    above += ${count("value > limit")};
    equal += ${count("value == limit")};`
        : `    above += ${
          count(`(value != ${numbers}()) & (bitcast<${floats}>(value) > threshold[i])`)
        };`
    }
  }
  let all = total(lane, vec2u(${parts("above")}, ${parts("equal")}));
  if (lane == 0u) {
    kept[sizes.firstRow + row] = all.x;
    ${ties ? "ties[sizes.firstRow + row] = all.y;" : ""}
  }`,
  });
}
