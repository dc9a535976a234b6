/**
 * Elements from the first to the last of a strided view, those between them included; 0 for an empty one.
 *
 * @param shape Sizes of its dimensions.
 * @param strides Elements from one index of a dimension to the next, none negative.
 */
export function spanOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((span, extent, i) => span + (extent - 1) * strides[i], 1);
}

/**
 * Whether a strided view may name an element twice: a dimension's stride does not pass all that the dimensions
 * of smaller strides reach. Slices, transposes and permutations of a tensor never do.
 */
export function overlaps(shape: readonly number[], strides: readonly number[]): boolean {
  const stepped = [...shape.keys()].filter((i) => shape[i] > 1);
  stepped.sort((a, b) => strides[a] - strides[b]);
  let reach = 0;
  for (const i of stepped) {
    if (strides[i] <= reach) return true;
    reach += (shape[i] - 1) * strides[i];
  }
  return false;
}

/**
 * Copies elements of a strided view, in the order in which the last index runs fastest.
 *
 * @param span The view's elements and those between them, {@linkcode spanOf} of them.
 * @param start The first element to copy; `into` takes as many as it has room for.
 */
export function copyStrided(
  span: Float32Array,
  shape: readonly number[],
  strides: readonly number[],
  start: number,
  into: Float32Array,
): void {
  const last = shape.length - 1;
  const index: number[] = [];
  let left = start;
  for (let i = last; i >= 0; i--) {
    index[i] = left % shape[i];
    left = Math.floor(left / shape[i]);
  }
  let from = index.reduce((sum, at, i) => sum + at * strides[i], 0);
  for (let done = 0; done < into.length; done++) {
    into[done] = span[from];
    let i = last;
    for (; i >= 0; i--) {
      from += strides[i];
      if (++index[i] < shape[i]) break;
      from -= shape[i] * strides[i];
      index[i] = 0;
    }
  }
}
