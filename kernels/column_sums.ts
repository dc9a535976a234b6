import { defineKernel, read, when, write } from "./define.ts";

/**
 * Sums of columns over blocks of rows: out[firstBlock + b, c] = scale · Σ_{r in block b} weight[r] ·
 * x[r, c]. Without `weighted` every weight is 1; row r has element firstWeight + r. One lane per column, in
 * order of row.
 */
export const columnSums = <Weighted extends boolean>({ weighted }: { weighted: Weighted }) =>
  defineKernel({
    label: "column sums",
    sizes: {
      ...{ rows: "u32", cols: "u32", rowsPerBlock: "u32", firstBlock: "u32", firstWeight: "u32" },
      scale: "f32",
    },
    bind: { x: read("f32"), out: write("f32"), weight: when(weighted, read("f32")) },
    workgroup: 64,
    body: `
  let across = (sizes.cols + 63u) / 64u;
  let block = group / across;
  let column = group % across * 64u + lane;
  let begin = block * sizes.rowsPerBlock;
  if (column >= sizes.cols || begin >= sizes.rows) { return; }
  let stop = min(begin + sizes.rowsPerBlock, sizes.rows);
  var sum = 0.0;
  for (var row = begin; row < stop; row++) {
    sum += ${weighted ? "weight[sizes.firstWeight + row] * " : ""}x[row * sizes.cols + column];
  }
  out[(sizes.firstBlock + block) * sizes.cols + column] = sizes.scale * sum;`,
  });
