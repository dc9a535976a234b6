import { gradientNorm } from "../../kernels/gradient_norm.ts";
import { gradientSquares } from "../../kernels/gradient_squares.ts";
import { scaleGradients } from "../../kernels/scale_gradients.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import type { SparseColumns } from "./gradients.ts";
import type { RecordBuffers } from "./record.ts";
import type { Weights } from "./weights.ts";
import { words } from "./words.ts";

/**
 * Scales all gradients so that their norm g, all weights' together, is at most `limit`: by
 * min(1, limit / (g + 1e-6)). The decoder's count without the part along their rows, which the update
 * removes. Those of the rows exist only while they are gathered: they are gathered once more here, and
 * what is scaled are the factors that they are gathered from.
 *
 * The norm goes into the step's record; one that is not finite freezes the run.
 */
export function clipGradients(
  p: Program,
  { limit, half, weights, columns, residual, input, gradients, ...state }: {
    limit: number;
    half: number;
    weights: Weights;
    columns: SparseColumns;
    /** What the decoder's gradients are gathered from. */
    residual: DeviceBuffer;
    /** What the encoder's gradients are gathered from. */
    input: DeviceBuffer;
    /** Gradients by the encoder bias [m], by the decoder bias [d], and for JumpReLU by log θ [m]. */
    gradients: { bEnc: DeviceBuffer; bDec: DeviceBuffer; logTheta?: DeviceBuffer };
  } & Pick<RecordBuffers, "step" | "records" | "recordSlots" | "frozen">,
): void {
  const { dModel: d, dictSize: m } = weights;
  const squares = p.buffers.zeros("squared gradients", m);
  const factor = p.buffers.zeros("clip factor", 1);
  for (const { first, latents, wDec } of weights.shards) {
    const sizes = p.buffers.uniform("gradient squares sizes", words([latents, first, half]));
    const { latentOffsets, rows, factors } = columns;
    for (const [source, own] of [[residual, [wDec]], [input, []]] as const) {
      const code = gradientSquares({ d, decoder: own.length > 0 });
      const bound = [sizes, source, latentOffsets, rows, factors, squares, ...own];
      p.kernel("gradient squares", code, bound, latents);
    }
  }
  const { bEnc, bDec, logTheta } = gradients;
  const { step, records, recordSlots, frozen } = state;
  const sizes = p.buffers.uniform("gradient norm sizes", words([m, d, recordSlots], [limit]));
  const bound = [sizes, step, squares, bEnc, bDec, factor, records, frozen];
  if (logTheta) bound.push(logTheta);
  const code = gradientNorm({ jump: logTheta !== undefined });
  p.kernel("gradient norm", code, bound, 1);

  const scale = (x: DeviceBuffer, numbers: number, offsets?: DeviceBuffer) => {
    const sizes = p.buffers.uniform("scale gradients sizes", words([numbers]));
    const code = scaleGradients({ entries: offsets !== undefined });
    // How many entries there are is known to the GPU: 1024 workgroups share them.
    const workgroups = offsets ? 1024 : Math.ceil(numbers / 64);
    const bound = [sizes, factor, x, ...(offsets ? [offsets] : [])];
    p.kernel("scale gradients", code, bound, workgroups);
  };
  scale(columns.factors, m, columns.latentOffsets);
  scale(bEnc, m);
  scale(bDec, d);
  if (logTheta) scale(logTheta, m);
}
