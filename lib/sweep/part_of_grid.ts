import type { SweepCell } from "./grid.ts";

/**
 * The SAEs of a grid that part `index` of `count` trains. All SAEs of a part share one stream. They are dealt out by
 * what training takes, m · steps, from the largest on, each to the part that has least so far.
 *
 * @throws {RangeError} There are more parts than SAEs.
 */
export function partOfGrid(
  cells: readonly SweepCell[],
  { index, count }: { index: number; count: number },
): SweepCell[] {
  if (count > cells.length) {
    throw new RangeError(
      `the grid has ${cells.length} SAEs, expected at least as many as parts: ${count}`,
    );
  }
  const costs = cells.map(({ options }) => options.dictSize! * (options.steps ?? 1));
  const order = cells.map((_, i) => i).sort((a, b) => costs[b] - costs[a] || a - b);
  const loads = new Float64Array(count);
  const own = new Set<number>();
  for (const i of order) {
    const least = loads.indexOf(Math.min(...loads));
    loads[least] += costs[i];
    if (least === index - 1) own.add(i);
  }
  return cells.filter((_, i) => own.has(i));
}
