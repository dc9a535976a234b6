import type { Matrix } from "../matrix.ts";
import type { Sae } from "../sae/sae.ts";

/** What a meta-SAE explains: the decoder rows of an SAE as they are, or rows that are given. */
export function explainedRows(source: Sae | Matrix): Matrix {
  if (!("wDec" in source)) return source;
  return { data: source.wDec, rows: source.dictSize, cols: source.dModel };
}

/**
 * Checks that there are rows, of a width, and that each number is finite.
 *
 * @throws {TypeError | RangeError} Naming what was found and what is wanted.
 */
export function checkRows({ data, rows, cols }: Matrix, name: string): void {
  if (!(data instanceof Float32Array)) {
    throw new TypeError(`${name} holds no Float32Array, expected rows of float32 numbers`);
  }
  if (!(rows > 0 && cols > 0) || data.length !== rows * cols) {
    throw new RangeError(
      `${name} is ${rows} × ${cols} with ${data.length} numbers, expected ${rows * cols}, above 0`,
    );
  }
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new RangeError(
      `${name} has ${data[at]} in row ${Math.floor(at / cols)}, column ${at % cols}, ` +
        `expected a finite number`,
    );
  }
}

/**
 * SHA-256 over the bytes of the rows, in hexadecimal: it tells an SAE from every other one of its
 * shape, another seed or a few more steps. 49152 × 768 rows: about 0.3 s.
 */
export async function rowsDigest({ data }: Matrix): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as Float32Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
