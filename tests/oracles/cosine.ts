// Cosines of rows, their maxima and the bipartite graph of large ones, in plain float64.
import type { Matrix } from "../../lib/matrix.ts";

/** cos(a[i], b[j]), [a.rows, b.rows]; 0 where one of them is zero. */
export function cosines(a: Matrix, b: Matrix): number[][] {
  const rowsOf = ({ data, rows, cols }: Matrix) =>
    Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * cols, (r + 1) * cols)));
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, c) => sum + value * y[c], 0);
  const norm = (x: number[]) => Math.sqrt(dot(x, x));
  const others = rowsOf(b);
  return rowsOf(a).map((x) =>
    others.map((y) => norm(x) === 0 || norm(y) === 0 ? 0 : dot(x, y) / (norm(x) * norm(y)))
  );
}

/** Each row's maximum and its column, the first of equals, leaving out column i in row i. */
export function rowMaxima(
  table: number[][],
  skipSame = false,
): { cosine: number[]; nearest: number[] } {
  const nearest = table.map((row, i) => {
    const candidates = row.map((_, j) => j).filter((j) => !(skipSame && i === j));
    return candidates.reduce((best, j) => row[j] > row[best] ? j : best);
  });
  return { cosine: table.map((row, i) => row[nearest[i]]), nearest };
}

/** Connected components of the bipartite graph: table[i][j] ≥ threshold joins row i and column j. */
export function components(
  table: number[][],
  threshold: number,
): { rows: number[]; cols: number[] }[] {
  const [m, n] = [table.length, table[0].length];
  const joined = (a: number, b: number) => a < m && b >= m && table[a][b - m] >= threshold;
  const seen = new Set<number>();
  const found = [];
  for (let start = 0; start < m + n; start++) {
    if (seen.has(start)) continue;
    const nodes = [start];
    seen.add(start);
    for (const node of nodes) {
      for (let other = 0; other < m + n; other++) {
        if (seen.has(other) || !(joined(node, other) || joined(other, node))) continue;
        seen.add(other);
        nodes.push(other);
      }
    }
    nodes.sort((a, b) => a - b);
    found.push({
      rows: nodes.filter((node) => node < m),
      cols: nodes.filter((node) => node >= m).map((node) => node - m),
    });
  }
  return found;
}
