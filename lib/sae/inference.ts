import { createBuffers } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { uploadWeights, type Weights } from "../ops/weights.ts";
import { architectureOf } from "./architectures/registry.ts";
import { checkSae } from "./check.ts";
import { createInferenceBlock, type InferenceBlock } from "./inference_block.ts";
import { transformInput } from "./input_transform.ts";
import { checkInputScale } from "./normalize_input.ts";
import type { Sae } from "./sae.ts";
import { openStitchedInference } from "./stitched_inference.ts";
import type { StitchedSae } from "./stitched_sae.ts";
import type { Encoded, Inference, InferenceOptions, Selection } from "./encoded.ts";

/**
 * Puts an SAE, plain or stitched, on the GPU to run it on many matrices.
 *
 * @throws {RangeError | TypeError} The SAE is not consistent, or cannot be run by this version.
 */
export function openInference(
  device: Device,
  sae: Sae | StitchedSae,
  options: InferenceOptions = {},
): Inference {
  return sae.architecture === "stitched"
    ? openStitchedInference(device, sae, options, openPlain)
    : openPlain(device, sae, options);
}

function openPlain(device: Device, sae: Sae, options: InferenceOptions): Inference {
  checkSae(sae);
  return openChecked(device, sae, options);
}

/** A plain SAE that is ready on a device. */
export interface PlainInference extends Inference {
  /** Its weights there, for what else needs them. */
  weights: Weights;
}

/** {@linkcode openInference} of an SAE that `checkSae` has passed: of 25 M weights it takes 110 ms. */
export function openChecked(
  device: Device,
  sae: Sae,
  options: InferenceOptions = {},
): PlainInference {
  const selection = checkSelection(sae, options.selection);
  const owned = createBuffers(device);
  let block: InferenceBlock | undefined;
  let last: Promise<unknown> = Promise.resolve();
  try {
    const weights = uploadWeights(device, owned, sae);
    const threshold = owned.from("threshold", sae.threshold ?? new Float32Array(sae.dictSize));
    const runBlocks = async (given: Matrix, residual: boolean) => {
      checkMatrix(given, sae.dModel);
      // The error of a centred activation is that of the activation: the mean comes back with x − e.
      const x = transformInput(sae, given);
      const rows = selection === "batch" ? x.rows : blockRows(device, sae);
      const parts: Encoded[] = [];
      for (let first = 0; first < x.rows; first += rows) {
        const count = Math.min(rows, x.rows - first);
        if (block?.rows !== count) {
          block?.[Symbol.dispose]();
          block = undefined;
          block = await createInferenceBlock(device, sae, weights, threshold, selection, count);
        }
        const data = x.data.subarray(first * x.cols, (first + count) * x.cols);
        parts.push(await block.run(data, first, residual));
      }
      return join(parts, sae, residual);
    };
    return {
      weights,
      run(x, { residual = false } = {}) {
        // One after the other: runs share the buffers.
        const result = last.then(() => runBlocks(x, residual));
        last = result.catch(() => {});
        return result;
      },
      [Symbol.dispose]() {
        block?.[Symbol.dispose]();
        owned[Symbol.dispose]();
      },
    };
  } catch (error) {
    owned[Symbol.dispose]();
    throw error;
  }
}

function checkSelection(sae: Sae, asked: Selection | undefined): Selection {
  const { threshold } = architectureOf(sae.architecture);
  const own = threshold === "none" ? "topk" : "threshold";
  const selection = asked ?? own;
  checkInputScale(sae);
  if (selection === "batch" || selection === "topk") {
    if (sae.k === undefined) throw new RangeError(`selection "${selection}" needs the SAE's k`);
    return selection;
  }
  if (selection !== "threshold") {
    throw new RangeError(`selection is ${selection}, expected "threshold", "topk" or "batch"`);
  }
  if (threshold !== "zero" && !sae.threshold) {
    const other = own === "topk" ? "topk" : "batch";
    throw new RangeError(
      `the ${sae.architecture} SAE has no threshold` +
        (sae.k === undefined ? "" : `: give it one, or ask for selection "${other}"`),
    );
  }
  return selection;
}

function checkMatrix(x: Matrix, dModel: number): void {
  if (x.cols !== dModel || x.data.length !== x.rows * x.cols) {
    throw new RangeError(
      `the activations are ${x.rows} × ${x.cols} with ${x.data.length} numbers, ` +
        `expected ${dModel} columns (the SAE's dModel)`,
    );
  }
}

// Blocks whose pre-activations take 64 MiB, or what the device allows.
function blockRows(device: Device, { dModel, dictSize }: Sae): number {
  const most = Math.min(2 ** 26, device.limits.maxStorageBufferBindingSize);
  return Math.max(1, Math.min(4096, Math.floor(most / (4 * Math.max(dictSize, dModel)))));
}

function join(parts: Encoded[], sae: Sae, wantsResidual: boolean): Encoded {
  const rows = parts.reduce((sum, part) => sum + part.codes.rows, 0);
  const entries = parts.reduce((sum, part) => sum + part.codes.latents.length, 0);
  const codes: SparseMatrix = {
    rows,
    cols: sae.dictSize,
    rowOffsets: new Uint32Array(rows + 1),
    latents: new Uint32Array(entries),
    values: new Float32Array(entries),
  };
  const squaredErrors = new Float32Array(rows);
  const residual = wantsResidual ? new Float32Array(rows * sae.dModel) : undefined;
  let row = 0;
  let entry = 0;
  for (const part of parts) {
    for (let r = 1; r <= part.codes.rows; r++) {
      codes.rowOffsets[row + r] = entry + part.codes.rowOffsets[r];
    }
    codes.latents.set(part.codes.latents, entry);
    codes.values.set(part.codes.values, entry);
    squaredErrors.set(part.squaredErrors, row);
    residual?.set(part.residual!, row * sae.dModel);
    row += part.codes.rows;
    entry += part.codes.latents.length;
  }
  return { codes, squaredErrors, ...(residual ? { residual } : {}) };
}
