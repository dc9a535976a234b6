/** The words of a kernel's `sizes`: whole numbers first, then floats, as every kernel declares them. */
export function words(integers: number[], floats: number[] = []): Uint32Array {
  return new Uint32Array([...integers, ...new Uint32Array(new Float32Array(floats).buffer)]);
}
