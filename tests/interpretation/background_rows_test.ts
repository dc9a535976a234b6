import { assert, assertEquals } from "@std/assert";
import { collectBackground } from "../../lib/interpretation/background_rows.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";

/** Rows of six positions: latent 0 is active everywhere, latent r at position 2 of row r. */
function codesOf(row: number): SparseMatrix {
  const latents = [0, 0, 0, row, 0, 0, 0];
  return {
    ...{ rows: 6, cols: 100, rowOffsets: Uint32Array.of(0, 1, 2, 4, 5, 6, 7) },
    latents: Uint32Array.from(latents),
    values: new Float32Array(7).fill(1),
  };
}

Deno.test("windows are where a latent is inactive, of few rows, the same ones in any order", () => {
  const window = { before: 1, after: 1 };
  const collect = (order: number[]) => {
    const rows = collectBackground(6, window, 10);
    // Position 5 of each row is massive: it is not among the samples.
    for (const row of order) rows.add(row, codesOf(row), 0, [0, 1, 2, 3, 4]);
    return rows;
  };
  const order = Array.from({ length: 50 }, (_, i) => i + 1);
  const [up, down] = [collect(order), collect(order.toReversed())];
  const used = new Set<number>();
  for (let latent = 1; latent <= 50; latent++) {
    const found = up.inactive(latent, 99);
    assertEquals(down.inactive(latent, 99), found);
    for (const { row, start, peak, activations } of found) {
      used.add(row);
      assertEquals([peak, activations.length], [1, 3]);
      assert(start + 2 < 5, `a window from ${start} on has the massive position`);
      if (row === latent) assert(start > 2 || start + 2 < 2, `row ${row}, window from ${start} on`);
    }
    assertEquals(new Set(found.map(({ row }) => row)).size, found.length);
  }
  assert(used.size <= 10 && used.size >= 8, `${used.size} rows`);
  assertEquals(up.inactive(0, 5), []);
  assertEquals(collectBackground(6, window).inactive(3, 5), []);
});

Deno.test("rows in which many latents are active are fewer, the same ones in any order", () => {
  const window = { before: 1, after: 1 };
  // Seven entries a row: 40 entries are five rows.
  const collect = (order: number[]) => {
    const rows = collectBackground(6, window, 10, 40);
    for (const row of order) rows.add(row, codesOf(row), 0, [0, 1, 2, 3, 4, 5]);
    return rows;
  };
  const order = Array.from({ length: 50 }, (_, i) => i + 1);
  const [up, down] = [collect(order), collect(order.toReversed())];
  assertEquals(up.inactive(99, 99).length, 5);
  assertEquals(down.inactive(99, 99), up.inactive(99, 99));
  // One row of more entries than there may be leaves none.
  const none = collectBackground(6, window, 10, 6);
  none.add(1, codesOf(1), 0, [0, 1, 2, 3, 4, 5]);
  assertEquals(none.inactive(99, 1), []);
});
