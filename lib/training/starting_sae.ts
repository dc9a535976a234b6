import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkSae } from "../sae/check.ts";
import { initializeSae } from "../sae/initialize.ts";
import { transformInput } from "../sae/input_transform.ts";
import { estimateInputScale, normalizeInput } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { startSparse } from "./start_sparse.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Settings } from "./options.ts";
import { columnMeans } from "../mean.ts";

/** The SAE that training starts from: `initial`, or a new one as wide as the first batch. */
export function startingSae(settings: Settings, batch: Matrix): Sae {
  const { architecture, dictSize, subtractDecoderBias, initial, metadata } = settings;
  const kind = architectureOf(architecture);
  const k = kind.k === "none" ? undefined : settings.k;
  const threshold = kind.threshold === "learned"
    ? { threshold: startingThreshold(settings) }
    : undefined;
  const normalization = startingNormalization(settings, batch);
  if (initial) {
    const { threshold: _, k: __, inputScale: ___, inputTransform: ____, ...rest } = initial;
    return {
      ...rest,
      ...normalization,
      architecture,
      ...(k === undefined ? {} : { k }),
      ...threshold,
      subtractDecoderBias,
      metadata: { ...initial.metadata, ...metadata },
    };
  }
  const random = createRandom(settings.seed);
  const shape = { architecture, dModel: batch.cols, dictSize, k, subtractDecoderBias };
  const sae: Sae = {
    ...initializeSae({ ...shape, random }),
    ...normalization,
    ...threshold,
    metadata,
  };
  checkSae(sae);
  if (settings.bDec === "mean") {
    sae.bDec = Float32Array.from(columnMeans(normalizeInput(sae, batch).x));
  }
  if (settings.targetL0 !== undefined) {
    startSparse(sae, normalizeInput(sae, batch).x, settings);
  }
  return sae;
}

/** Thresholds that are learned: those of `initial`, or the same for every latent where a start is given. */
function startingThreshold({ dictSize, initial, initialThreshold }: Settings): Float32Array {
  if (initialThreshold === undefined && initial?.threshold) return initial.threshold.slice();
  return new Float32Array(dictSize).fill(initialThreshold ?? 0.5);
}

/** How the SAE transforms and normalises its input: the expected norm is that of the first batch. */
function startingNormalization(
  { inputTransform, inputNormalization, inputScale, initial }: Settings,
  batch: Matrix,
): Pick<Sae, "inputTransform" | "inputNormalization" | "inputScale"> {
  const kinds = { ...(inputTransform === undefined ? {} : { inputTransform }), inputNormalization };
  if (inputNormalization !== "expected_average_only_in") return kinds;
  const same = initial?.inputNormalization === inputNormalization;
  const known = inputScale ?? (same ? initial.inputScale : undefined);
  if (known !== undefined) return { ...kinds, inputScale: known };
  const estimate = estimateInputScale(transformInput(kinds, batch));
  if (estimate === Infinity) {
    throw new RangeError(
      `all samples of the first batch are zero: give inputScale, √d over the mean norm of the ` +
        `activations, for ${inputNormalization}`,
    );
  }
  // A batch that is not finite ends the first step, which names the number.
  return { ...kinds, inputScale: estimate > 0 ? estimate : 1 };
}
