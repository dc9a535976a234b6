import { defineKernel, read, when, write } from "./define.ts";
import { FIND_RECORD, NOT_FINITE, recordWord, step, sumOver } from "./prelude.ts";

/**
 * Writes a step's record, all words but the gradients' norm, which `gradientNorm` writes. If a loss, a
 * threshold or the batch is not finite, the run is frozen: its weights do not change.
 *
 * `squares` has `rows` elements, or twice as many with the auxiliary loss; stats are {complement of the
 * first bad index, complement of the smallest bits, dead latents}. `penalized`: the sparsity loss sums the
 * rows' penalties. With `jump` these are the numbers of active entries (`offsets` also counts others), and
 * the mean threshold is that of theta [latents]. `dense` of the sizes is 1 if the step used dense products.
 * One workgroup.
 */
export function recordStep<Penalized extends boolean, Jump extends boolean>(
  { penalized, jump }: { penalized: Penalized; jump: Jump },
) {
  return defineKernel({
    label: "record",
    sizes: {
      ...{ rows: "u32", hasAuxiliary: "u32", slots: "u32", latents: "u32" },
      dense: "u32",
      ...{ lossScale: "f32", auxiliaryScale: "f32", sparsityScale: "f32" },
    },
    bind: {
      step,
      squares: read("f32"),
      offsets: when(!jump, read("u32")),
      theta: when(jump, read("f32")),
      stats: read("u32"),
      records: write("u32"),
      frozen: write("u32"),
      penalties: when(penalized, read("f32")),
    },
    workgroup: 256,
    globals: [
      NOT_FINITE,
      sumOver(256, "vec4f"),
      ...(jump ? [sumOver(256, "u32", "totalCount")] : []),
    ],
    body: `
  var own = vec4f();
  ${jump ? "var found = 0u;" : ""}
  for (var row = lane; row < sizes.rows; row += 256u) {
    own.x += squares[row];
    if (sizes.hasAuxiliary != 0u && stats[2] != 0u) { own.y += squares[sizes.rows + row]; }
    ${penalized ? "own.z += penalties[row];" : ""}
    ${jump ? "found += u32(penalties[row]);" : ""}
  }
  ${jump ? "for (var i = lane; i < sizes.latents; i += 256u) { own.w += theta[i]; }" : ""}
  let sums = total(lane, own);
  let entries = ${jump ? "totalCount(lane, found)" : "offsets[sizes.rows]"};
  if (lane != 0u) { return; }
  let loss = sums.x * sizes.lossScale;
  let auxiliary = sums.y * sizes.auxiliaryScale;
  let sparsity = sums.z * sizes.sparsityScale * step.sparsity;
  let meanThreshold = sums.w / f32(sizes.latents);
  let bad = stats[0] != 0u || notFinite(loss) || notFinite(auxiliary) || notFinite(sparsity) ||
    notFinite(meanThreshold);
  if (bad) { frozen[0] = 1u; }
  ${FIND_RECORD}
  ${recordWord("loss")} = bitcast<u32>(loss);
  ${recordWord("auxiliaryLoss")} = bitcast<u32>(auxiliary);
  ${recordWord("activeEntries")} = entries;
  ${recordWord("smallestKept")} = select(0u, ~stats[1], stats[1] != 0u);
  ${recordWord("deadLatents")} = stats[2];
  ${recordWord("badInput")} = select(0u, ~stats[0] + 1u, stats[0] != 0u);
  ${recordWord("frozen")} = frozen[0];
  ${recordWord("step")} = step.step;
  ${recordWord("sparsityLoss")} = bitcast<u32>(sparsity);
  ${recordWord("meanThreshold")} = bitcast<u32>(meanThreshold);
  ${recordWord("dense")} = sizes.dense;`,
  });
}
