import type { Matrix } from "../../lib/matrix.ts";

/** The default header of a test's store. */
export const description = { model: "m", hook: "h", contextSize: 8, skipPositions: [0] };

/** Matrices of the given numbers of rows; row i of all is [i, −i]. Then `more`. */
export async function* numbered(
  sizes: number[],
  more: Iterable<Matrix> = [],
): AsyncGenerator<Matrix> {
  let next = 0;
  for (const rows of sizes) {
    const data = new Float32Array(2 * rows);
    for (let r = 0; r < rows; r++) data.set([next, -next++], 2 * r);
    yield await Promise.resolve({ data, rows, cols: 2 });
  }
  yield* more;
}

/** All rows of a stream, copied as they come. */
export async function rowsOf(batches: AsyncIterable<Matrix>): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { data, cols } of batches) {
    for (let i = 0; i < data.length; i += cols) rows.push([...data.subarray(i, i + cols)]);
  }
  return rows;
}

/** Calls back with a folder that is removed afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "saewing-store-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
