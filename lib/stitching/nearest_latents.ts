import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { searchEdges } from "../ops/cosine_search.ts";
import { type UnitRows, unitRows } from "../ops/unit_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkWhole } from "../whole_number.ts";
import { decoderDirections } from "./decoder_cosine.ts";

/** Options of {@linkcode nearestLatents}. */
export interface NearestLatentsOptions {
  /** How many latents of `to` are found for each of `from` (default 10; fewer where there are fewer). */
  count?: number;
  /** Whether latent i of `from` is not compared with latent i of `to` (default false). */
  skipSame?: boolean;
  /** Ends the search, with the signal's reason. */
  signal?: AbortSignal;
}

/** The latents whose decoder directions are nearest to each latent's. */
export interface NearestLatents {
  /** How many were found for each. */
  count: number;
  /** Latents of the other SAE, [m₁, count], the nearest first, of equals the lowest. */
  latents: Uint32Array;
  /** Their cosines, [m₁, count]. */
  cosine: Float32Array;
}

/** Cut of the first search, in standard deviations of a cosine of random directions, 1 / √d; then lower ones. */
const CUTS = [8, 5, 4, 3, 2, 1];

/**
 * The `count` latents of `to` with the largest decoder cosine, for each latent of `from`. All pairs above a
 * threshold are searched first; rows with too few of them are searched again with a lower threshold, at last
 * −1. Cosines are computed in float64 from the rows as they are.
 *
 * @param from An SAE, or the rows [m₁, d] themselves.
 * @param to An SAE, or the rows [m₀, d] themselves.
 * @throws {RangeError} The widths differ, there are no rows, a number is not finite, or there is nothing to
 * compare with.
 */
export async function nearestLatents(
  device: Device,
  from: Sae | Matrix,
  to: Sae | Matrix,
  { count = 10, skipSame = false, signal }: NearestLatentsOptions = {},
): Promise<NearestLatents> {
  const [others, own] = decoderDirections(to, from, ["to", "from"]);
  const most = others.matrix.rows - (skipSame ? 1 : 0);
  checkWhole(count, "count");
  if (most < 1) {
    throw new RangeError("skipSame leaves latent 0 nothing to compare with: `to` has one latent");
  }
  const kept = Math.min(count, most);
  const rows = own.matrix.rows;
  const found = { latents: new Uint32Array(rows * kept), cosine: new Float32Array(rows * kept) };
  let open = Uint32Array.from({ length: rows }, (_, row) => row);
  for (const sigmas of [...CUTS, Infinity]) {
    const cut = sigmas === Infinity ? -1 : sigmas / Math.sqrt(own.matrix.cols);
    if (cut >= 1 || open.length === 0) continue;
    const searched = pick(own, open);
    const best = createBest(open.length, kept);
    // Pairs just above the cut may be missing from it by rounding: they do not count as found.
    const sure = new Uint32Array(open.length);
    await searchEdges(device, searched, others, cut, (row, column) => {
      if (skipSame && open[row] === column) return;
      const cosine = cosineOf(searched, row, others, column);
      if (cosine >= cut + 1e-5 || cut === -1) sure[row]++;
      best.add(row, column, cosine);
    }, { signal });
    open.forEach((row, i) => {
      if (sure[i] < kept) return;
      found.latents.set(best.latents.subarray(i * kept, (i + 1) * kept), row * kept);
      found.cosine.set(best.cosine.subarray(i * kept, (i + 1) * kept), row * kept);
    });
    open = open.filter((_, i) => sure[i] < kept);
  }
  return { count: kept, ...found };
}

function pick({ matrix }: UnitRows, rows: Uint32Array): UnitRows {
  const { cols } = matrix;
  const data = new Float32Array(rows.length * cols);
  rows.forEach((row, i) => data.set(matrix.data.subarray(row * cols, (row + 1) * cols), i * cols));
  return unitRows({ data, rows: rows.length, cols }, "the decoder of from");
}

function cosineOf(a: UnitRows, i: number, b: UnitRows, j: number): number {
  const d = a.matrix.cols;
  let sum = 0;
  for (let c = 0, at = i * d, other = j * d; c < d; c++) {
    sum += a.matrix.data[at + c] * b.matrix.data[other + c];
  }
  return Math.max(-1, Math.min(1, sum * a.scales[i] * b.scales[j]));
}

/** The `count` best of each row, sorted. */
function createBest(rows: number, count: number) {
  const latents = new Uint32Array(rows * count);
  const cosine = new Float64Array(rows * count).fill(-2);
  return {
    latents,
    cosine,
    add(row: number, latent: number, value: number): void {
      const first = row * count;
      let at = first + count - 1;
      const before = (slot: number) =>
        value > cosine[slot] || (value === cosine[slot] && latent < latents[slot]);
      if (!before(at)) return;
      for (; at > first && before(at - 1); at--) {
        cosine[at] = cosine[at - 1];
        latents[at] = latents[at - 1];
      }
      cosine[at] = value;
      latents[at] = latent;
    },
  };
}
