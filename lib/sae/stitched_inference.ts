import { architectureOf } from "./architectures/registry.ts";
import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { fuseStitched } from "./fuse_stitched.ts";
import type { Encoded, Inference, InferenceOptions } from "./encoded.ts";
import { decodingTarget } from "./normalize_input.ts";
import type { Sae } from "./sae.ts";
import { checkStitchedSae, type StitchedSae, stitchedSides } from "./stitched_sae.ts";

/**
 * Puts a stitched SAE on the GPU. Where both SAEs find active latents by threshold they run as one
 * SAE of the chosen latents. Where one selects among its latents (topk) both run whole, and the chosen
 * latents are decoded on the CPU in float64: entries · d products, a thousandth of the encoders'.
 *
 * @param open Puts a plain SAE on the GPU.
 */
export function openStitchedInference(
  device: Device,
  stitched: StitchedSae,
  options: InferenceOptions,
  open: (device: Device, sae: Sae, options: InferenceOptions) => Inference,
): Inference {
  checkStitchedSae(stitched);
  const sides = stitchedSides(stitched);
  if (sides.every(({ sae }) => hasThreshold(sae, options))) {
    return open(device, fuseStitched(stitched), options);
  }
  const opened: { inference: Inference; places: Int32Array }[] = [];
  const dispose = () => opened.forEach(({ inference }) => inference[Symbol.dispose]());
  try {
    for (const { sae, latents, first } of sides) {
      const places = new Int32Array(sae.dictSize).fill(-1);
      latents.forEach((latent, i) => places[latent] = first + i);
      opened.push({ inference: open(device, sae, options), places });
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    async run(x, { residual = false } = {}) {
      const parts = [];
      for (const { inference, places } of opened) {
        parts.push({ codes: (await inference.run(x)).codes, places });
      }
      const codes = joinColumns(parts, x.rows, stitched.dictSize);
      const { left, squaredErrors } = subtractDecoded(stitched, x, codes);
      return { codes, squaredErrors, ...(residual ? { residual: left } : {}) };
    },
    [Symbol.dispose]: dispose,
  };
}

/** Whether latents are found by threshold. Without one the plain SAE is opened, whose error says what it lacks. */
function hasThreshold(sae: Sae, { selection }: InferenceOptions): boolean {
  const { threshold } = architectureOf(sae.architecture);
  return (selection ?? (threshold === "none" ? "topk" : "threshold")) === "threshold" &&
    (threshold === "zero" || sae.threshold !== undefined);
}

/** Codes of the same samples, each latent at its place (−1: excluded), rows in order of place. */
function joinColumns(
  parts: { codes: SparseMatrix; places: Int32Array }[],
  rows: number,
  cols: number,
): SparseMatrix {
  const rowOffsets = new Uint32Array(rows + 1);
  const latents: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    const entries: { place: number; value: number }[] = [];
    for (const { codes, places } of parts) {
      for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
        const place = places[codes.latents[e]];
        if (place >= 0) entries.push({ place, value: codes.values[e] });
      }
    }
    entries.sort((a, b) => a.place - b.place);
    for (const { place, value } of entries) {
      latents.push(place);
      values.push(value);
    }
    rowOffsets[row + 1] = latents.length;
  }
  return {
    rows,
    cols,
    rowOffsets,
    latents: Uint32Array.from(latents),
    values: Float32Array.from(values),
  };
}

/** x − x̂ of Eq. 5, and the sum of its squares over each sample. */
function subtractDecoded(
  { small, smallLatents, large, largeLatents, dModel: d, bDec }: StitchedSae,
  x: Matrix,
  { rowOffsets, latents, values }: SparseMatrix,
): { left: Float32Array; squaredErrors: Encoded["squaredErrors"] } {
  const left = new Float32Array(x.rows * d);
  const squaredErrors = new Float32Array(x.rows);
  const own = new Float64Array(d);
  const normalized = decodingTarget(small, x);
  for (let row = 0; row < x.rows; row++) {
    for (let c = 0; c < d; c++) own[c] = normalized.x.data[row * d + c] - bDec[c];
    for (let e = rowOffsets[row]; e < rowOffsets[row + 1]; e++) {
      const i = latents[e] - smallLatents.length;
      const [wDec, from] = i < 0
        ? [small.wDec, smallLatents[latents[e]] * d]
        : [large.wDec, largeLatents[i] * d];
      for (let c = 0; c < d; c++) own[c] -= values[e] * wDec[from + c];
    }
    for (let c = 0; c < d; c++) own[c] *= normalized.scale[row];
    left.set(own, row * d);
    squaredErrors[row] = own.reduce((sum, error) => sum + error * error, 0);
  }
  return { left, squaredErrors };
}
