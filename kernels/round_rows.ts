import { defineKernel, read, when, write } from "./define.ts";
import { type Factors, vectorsOf } from "./dense_tiled.ts";
import { sumOver } from "./prelude.ts";

/**
 * Rounds rows of `source` [rows, d] for a screening product, and computes `facts` {scale, error, norm, bias},
 * see `appendCandidates`; norms are upper bounds, 3e38 where dots with other rows could overflow. `packed`
 * has the rounded rows, padded with zeros. `biased`: rows are latents.
 *
 * - int8: scale = largest |number| / 127 of the row, columns multiplied by `balance` first.
 * - float16: scale = largest |number| / 64, so that sums of 8 products stay within float16; numbers below
 *   its normal range become zero, as some hardware makes them.
 * - float32: the norm alone.
 *
 * One workgroup per row.
 */
export function roundRows<F extends Factors, Biased extends boolean>(
  { d, factors, biased }: { d: number; factors: F; biased: Biased },
) {
  const lanes = 64;
  const bytes = factors === "int8";
  const rounded = factors !== "float32";
  const vectors = vectorsOf(factors, d);
  const half = factors === "float16";
  const value = (at: string) => `source[row * ${d}u + ${at}]${bytes ? ` * balance[${at}]` : ""}`;
  const pack = bytes
    ? `    var words = vec4u();
    for (var j = 0u; j < 16u; j++) {
      let at = 16u * i + j;
      if (at >= ${d}u) { break; }
      let value = ${value("at")};
      let whole = clamp(round(value * inverse), -127.0, 127.0);
      let missed = value - whole * scale;
      errors += missed * missed;
      words[j / 4u] |= (u32(i32(whole)) & 0xffu) << (8u * (j % 4u));
    }
    packed[row * ${vectors}u + i] = words;`
    : `    var numbers = vec4<f16>();
    for (var j = 0u; j < 4u; j++) {
      let at = 4u * i + j;
      if (at >= ${d}u) { break; }
      let value = ${value("at")};
      var scaled = clamp(value * inverse, -64.0, 64.0);
      if (abs(scaled) < 0x1p-14f) { scaled = 0.0; }
      let number = f16(scaled);
      let missed = value - f32(number) * scale;
      errors += missed * missed;
      numbers[j] = number;
    }
    packed[row * ${vectors}u + i] = numbers;`;
  const bias = biased ? "bias[sizes.first + row]" : "0.0";
  const most = bytes ? "127.0" : "64.0";
  return defineKernel({
    label: `round rows to ${factors}`,
    sizes: { rows: "u32", first: "u32" },
    bind: {
      source: read("f32"),
      facts: write("vec4f"),
      packed: when(
        rounded as F extends "float32" ? false : true,
        write(bytes ? "vec4u" : "vec4<f16>"),
      ),
      bias: when(biased, read("f32")),
      balance: when(bytes as F extends "int8" ? true : false, read("f32")),
    },
    workgroup: lanes,
    enable: half ? "f16" : undefined,
    globals: [sumOver(lanes), `var<workgroup> peaks: array<f32, ${lanes}>;`],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
${bytes ? "  var squares = 0.0;" : ""}
  var plain = 0.0;
  var peak = 0.0;
  for (var at = lane; at < ${d}u; at += ${lanes}u) {
    let own = source[row * ${d}u + at];
    let value = ${value("at")};
    plain += own * own;
${bytes ? "    squares += value * value;" : ""}
    peak = max(peak, abs(value));
  }
  // Float32 may have lost what lies below its normal range, and a little of every sum.
  let up = 1.0 + ${d + 64} * 0x1p-22f;
  let plainNorm = sqrt(total(lane, plain) + ${d} * 0x1p-125f) * up;
  var norm = ${bytes ? `sqrt(total(lane, squares) + ${d} * 0x1p-125f) * up` : "plainNorm"};
  if (!(max(norm, plainNorm) < 1e18)) { norm = 3e38; }
${
      rounded
        ? `  peaks[lane] = peak;
  workgroupBarrier();
  for (var i = 0u; i < ${lanes}u; i++) { peak = max(peak, peaks[i]); }
  var scale = peak / ${most};
  // A row so small that its steps leave the normal range is taken for zeros: its error is its norm.
  if (!(scale > 1e-30 && scale < 1e30)) { scale = 0.0; }
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  var errors = 0.0;
  for (var i = lane; i < ${vectors}u; i += ${lanes}u) {
${pack}
  }
  let error = sqrt(total(lane, errors) + ${d} * 0x1p-125f) * up;
  if (lane == 0u) { facts[row] = vec4f(scale, error, norm, ${bias}); }`
        : `  if (lane == 0u) { facts[row] = vec4f(1.0, 0.0, norm, ${bias}); }`
    }`,
  });
}
