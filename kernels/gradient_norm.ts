import { defineKernel, read, when, write } from "./define.ts";
import { FIND_RECORD, NOT_FINITE, recordWord, step, sumOver } from "./prelude.ts";

/**
 * Norm of all gradients, and the factor that limits it: norm = √(Σ squares + Σ bEnc² + Σ bDec² [+ Σ
 * logTheta²]), factor[0] = min(1, limit / (norm + 1e-6)). `squares` [m] are those of the latents' gradients;
 * logTheta is used with `jump`. The norm is written into the step's record. If it is not finite, the run is
 * frozen. One workgroup.
 */
export const gradientNorm = <Jump extends boolean>({ jump }: { jump: Jump }) =>
  defineKernel({
    label: "gradient norm",
    sizes: { latents: "u32", dModel: "u32", slots: "u32", limit: "f32" },
    bind: {
      step,
      squares: read("f32"),
      bEnc: read("f32"),
      bDec: read("f32"),
      factor: write("f32"),
      records: write("u32"),
      frozen: write("u32"),
      logTheta: when(jump, read("f32")),
    },
    workgroup: 256,
    globals: [sumOver(256), NOT_FINITE],
    body: `
  var own = 0.0;
  for (var i = lane; i < sizes.latents; i += 256u) {
    own += squares[i] + bEnc[i] * bEnc[i]${jump ? " + logTheta[i] * logTheta[i]" : ""};
  }
  for (var c = lane; c < sizes.dModel; c += 256u) { own += bDec[c] * bDec[c]; }
  let norm = sqrt(total(lane, own));
  if (lane != 0u) { return; }
  factor[0] = min(1.0, sizes.limit / (norm + 1e-6));
  ${FIND_RECORD}
  ${recordWord("gradientNorm")} = bitcast<u32>(norm);
  if (notFinite(norm)) {
    frozen[0] = 1u;
    ${recordWord("frozen")} = 1u;
  }`,
  });
