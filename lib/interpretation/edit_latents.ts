import { isWhole } from "../whole_number.ts";
import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import type { InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import { decodingTarget } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";

/** A change of a latent's activation, in the units that `encode` gives, or of a direction. */
export type Edit =
  /** The activation becomes `value`, whether the latent was active or not. */
  | { latent: number; clamp: number }
  /** The activation is multiplied. */
  | { latent: number; scale: number }
  /** The activation becomes 0. */
  | { latent: number; ablate: true }
  /** `add` is added to the activation, whether the latent was active or not. */
  | { latent: number; add: number }
  /** A direction of the hook's space, such as a meta-latent's, is added `by` times, as it is. */
  | { direction: Float32Array; by: number };

/** Options of {@linkcode openEditor}. */
export interface EditorOptions extends InferenceOptions {
  /** Positions of a row that stay as they are (default [0]: the beginning of the sequence). */
  skipPositions?: readonly number[];
}

/** An SAE on the device with edits to its latents. Owns its buffers. */
export interface Editor {
  /**
   * Edits activations: x + Σ (f′ − f) · w over the edited latents, w being the decoder row in the
   * units of x. What the SAE does not reconstruct stays, so that no edit changes nothing.
   *
   * @param x Activations, [rows · L, d].
   * @param rows Number of rows.
   */
  edit(x: Matrix, rows: number): Promise<Matrix>;
  /** Frees the SAE's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Puts an SAE on the device, to edit activations by its latents. Edits of one latent are done in their
 * order.
 *
 * @throws {RangeError} A latent is not in the SAE, a direction has another width, or a number is not
 * finite.
 */
export function openEditor(
  device: Device,
  sae: Sae,
  edits: readonly Edit[],
  options: EditorOptions = {},
): Editor {
  checkEdits(sae, edits);
  const skip = new Set(options.skipPositions ?? [0]);
  const inference = openInference(device, sae, options);
  return {
    async edit(x, rows) {
      const length = x.rows / rows;
      const edited = { ...x, data: x.data.slice() };
      const { codes } = await inference.run(x);
      // A row of the decoder in the units of the samples: normalised ones may differ by sample.
      const { scale: sizes } = decodingTarget(sae, x);
      for (let row = 0; row < x.rows; row++) {
        if (skip.has(row % length)) continue;
        const into = edited.data.subarray(row * x.cols, (row + 1) * x.cols);
        for (const [latent, change] of changesOf(codes, row, edits)) {
          const own = sae.wDec.subarray(latent * x.cols, (latent + 1) * x.cols);
          for (let c = 0; c < x.cols; c++) into[c] += change * sizes[row] * own[c];
        }
        for (const one of edits) {
          if (!("direction" in one)) continue;
          for (let c = 0; c < x.cols; c++) into[c] += one.by * one.direction[c];
        }
      }
      return edited;
    },
    [Symbol.dispose]: () => inference[Symbol.dispose](),
  };
}

/** f′ − f of each edited latent in a sample. */
function changesOf(
  { rowOffsets, latents, values }: SparseMatrix,
  row: number,
  edits: readonly Edit[],
): Map<number, number> {
  const before = new Map<number, number>();
  for (const one of edits) if ("latent" in one) before.set(one.latent, 0);
  for (let e = rowOffsets[row]; e < rowOffsets[row + 1]; e++) {
    if (before.has(latents[e])) before.set(latents[e], values[e]);
  }
  const after = new Map(before);
  for (const one of edits) {
    if (!("latent" in one)) continue;
    const value = after.get(one.latent)!;
    if ("clamp" in one) after.set(one.latent, one.clamp);
    else if ("scale" in one) after.set(one.latent, value * one.scale);
    else if ("add" in one) after.set(one.latent, value + one.add);
    else after.set(one.latent, 0);
  }
  for (const [latent, value] of after) after.set(latent, value - before.get(latent)!);
  return after;
}

function checkEdits({ dictSize, dModel }: Sae, edits: readonly Edit[]): void {
  for (const [i, one] of edits.entries()) {
    const { latent, direction, ...numbers } = one as Record<string, unknown>;
    for (const [name, value] of Object.entries(numbers)) {
      if (name === "ablate" ? value === true : Number.isFinite(value)) continue;
      throw new RangeError(
        `edit ${i}: ${name} is ${value}, expected ${
          name === "ablate" ? "true" : "a finite number"
        }`,
      );
    }
    if (direction instanceof Float32Array) {
      if (direction.length === dModel) continue;
      throw new RangeError(
        `edit ${i}: direction has ${direction.length} numbers, the SAE's dModel is ${dModel}`,
      );
    }
    if (isWhole(latent, 0, dictSize - 1)) continue;
    throw new RangeError(`edit ${i}: latent is ${latent}, expected a latent below ${dictSize}`);
  }
}
