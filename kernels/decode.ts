import { defineKernel, read, when, write } from "./define.ts";
import { rowElements, shareRow } from "./prelude.ts";

/**
 * Subtracts sparse reconstructions from targets: out[firstRow + r] = targets[r] − Σ_j values[j] ·
 * wDec[latents[j]] over the entries of row firstRow + r with latents in this shard of the decoder. Without
 * `targets` they are subtracted from row sourceRow + r of `out`. One workgroup per row; lanes read four
 * columns at once if 4 divides d, which takes llvmpipe as long as one.
 */
export function decode<Targets extends boolean>(
  { d, targets }: { d: number; targets: Targets },
) {
  const { element, width } = rowElements(d);
  // No more lanes than a row has work for, in whole groups of 8.
  const lanes = Math.min(64, Math.ceil(width / 8) * 8);
  const { turns, each } = shareRow(width, lanes);
  return defineKernel({
    label: "decode",
    sizes: { rows: "u32", firstRow: "u32", firstLatent: "u32", latents: "u32", sourceRow: "u32" },
    bind: {
      offsets: read("u32"),
      latents: read("u32"),
      values: read("f32"),
      wDec: read(element),
      out: write(element),
      targets: when(targets, read(element)),
    },
    workgroup: lanes,
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let at = (sizes.firstRow + row) * ${width}u + lane;
  let source = ${targets ? "row" : "(sizes.sourceRow + row)"} * ${width}u + lane;
${turns.map((j) => `  var s${j} = ${element}(0.0);`).join("\n")}
  let end = offsets[sizes.firstRow + row + 1u];
  for (var entry = offsets[sizes.firstRow + row]; entry < end; entry++) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let value = values[entry];
    let begin = latent * ${width}u + lane;
${each((j) => `s${j} += value * wDec[begin + ${j}u];`, "    ")}
  }
${each((j) => `out[at + ${j}u] = ${targets ? "targets" : "out"}[source + ${j}u] - s${j};`)}`,
  });
}
