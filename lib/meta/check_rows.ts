import type { Matrix } from "../matrix.ts";

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
