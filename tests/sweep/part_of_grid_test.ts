import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sweepGrid } from "../../mod.ts";
import { partOfGrid } from "../../lib/sweep/part_of_grid.ts";

Deno.test("parts of a grid are disjoint, all of it, in its order, and as even as the largest allows", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 8, max: 4096 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      (dictSize, wanted) => {
        const cells = sweepGrid({ dictSize, k: 4, steps: 10 });
        const count = Math.min(wanted, cells.length);
        const parts = Array.from(
          { length: count },
          (_, i) => partOfGrid(cells, { index: i + 1, count }),
        );
        const order = (own: typeof cells) => own.map((cell) => cells.indexOf(cell));
        assertEquals(parts.flatMap(order).sort((a, b) => a - b), [...cells.keys()]);
        for (const own of parts) {
          assert(own.length > 0);
          assertEquals(order(own), order(own).toSorted((a, b) => a - b));
        }
        const load = parts.map((own) =>
          own.reduce((sum, { options }) => sum + options.dictSize!, 0)
        );
        // Greedy dealing: at most the mean and one more, and the best is at least each of these.
        const best = Math.max(
          dictSize.reduce((sum, m) => sum + m, 0) / count,
          Math.max(...dictSize),
        );
        assert(Math.max(...load) <= 2 * best);
      },
    ),
  );
  const cells = sweepGrid({ dictSize: [8, 16], k: 4 });
  assertThrows(
    () => partOfGrid(cells, { index: 1, count: 3 }),
    RangeError,
    "the grid has 2 SAEs, expected at least as many as parts: 3",
  );
});
