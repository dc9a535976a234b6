import { checkCount } from "../sae/check_numbers.ts";

/** How far the decoder biases of SAEs agree; row and column i belong to the i-th SAE. */
export interface DecoderBiasAgreement {
  /** Names, in order. */
  names: string[];
  /** cosine[i][j] of the biases of SAE i and SAE j; 0 where one of them is zero. */
  cosine: number[][];
  /** normDifference[i][j] = |‖b_i‖ − ‖b_j‖| / max(‖b_i‖, ‖b_j‖); 0 where both are zero. */
  normDifference: number[][];
  /** Smallest cosine of two different SAEs; 1 where there is one SAE only. */
  leastCosine: number;
  /** Largest difference of two SAEs' norms. */
  mostDifference: number;
}

/**
 * Agreement of decoder biases (Fig. 20): Eq. 5 mixes the biases of two SAEs, which is of no consequence
 * where they are nearly the same (the paper finds cosines of at least 0.997, norms within 0.1 %).
 *
 * @param saes SAEs with their names; the names need not differ.
 * @throws {RangeError} There is no SAE, the widths differ, or a number is not finite.
 */
export function decoderBiasAgreement(
  saes: readonly { name: string; sae: { bDec: Float32Array } }[],
): DecoderBiasAgreement {
  checkCount(saes.length, "the number of SAEs");
  const width = saes[0].sae.bDec.length;
  for (const { name, sae: { bDec } } of saes) {
    if (bDec.length !== width) {
      throw new RangeError(
        `the decoder bias of ${name} has ${bDec.length} numbers, expected ${width} as ` +
          `${saes[0].name} has`,
      );
    }
    const at = bDec.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw new RangeError(`the decoder bias of ${name} is ${bDec[at]} in column ${at}`);
  }
  const norms = saes.map(({ sae: { bDec } }) => Math.sqrt(dot(bDec, bDec)));
  const table = (entry: (i: number, j: number) => number) =>
    saes.map((_, i) => saes.map((_, j) => entry(i, j)));
  const cosine = table((i, j) => {
    if (norms[i] === 0 || norms[j] === 0) return 0;
    if (i === j) return 1;
    const product = dot(saes[i].sae.bDec, saes[j].sae.bDec) / (norms[i] * norms[j]);
    return Math.max(-1, Math.min(1, product));
  });
  const normDifference = table((i, j) => {
    const most = Math.max(norms[i], norms[j]);
    return most === 0 ? 0 : Math.abs(norms[i] - norms[j]) / most;
  });
  return {
    names: saes.map(({ name }) => name),
    cosine,
    normDifference,
    leastCosine: cosine.reduce(
      (least, row, i) =>
        row.reduce((least, value, j) => i === j ? least : Math.min(least, value), least),
      1,
    ),
    mostDifference: normDifference.flat().reduce((most, value) => Math.max(most, value), 0),
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}
