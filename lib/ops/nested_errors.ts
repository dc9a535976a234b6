import { defineKernel, read, when, write } from "../../kernels/define.ts";
import { rowElements, shareRow } from "../../kernels/prelude.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Loop, Thread } from "../device/cpu_stage.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { addRowsOn } from "./arithmetic.ts";
import { squareRows } from "./decode.ts";
import type { SparseColumns } from "./gradients.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/**
 * The errors of nested dictionaries. Prefix p of L has the first ends[p] latents; its error is e_p = x −
 * b_dec − Σ f_j · w_j over its latents j, and the loss is the mean of e_p² over samples, dimensions and
 * prefixes. A latent whose first prefix is g belongs to all prefixes from g on, so that its gradients use
 * S_g = Σ_{q ≥ g} e_q / L where other architectures use e.
 *
 * Latents ascend within a row, so that a row's entries are ordered by prefix. Entries stay in place, and
 * row r becomes rows r·L … r·L + L − 1, one per S_g, through new offsets only. Rows of the auxiliary loss,
 * which uses the error of the whole dictionary, follow at n·L. Each entry is decoded once: e_{p−1} = e_p +
 * the contribution of prefix p.
 *
 * @param residual Errors e_{L−1} of the whole dictionary, [n or 2n, d]; the first n rows become S_0, from
 * which the decoder bias's gradient is computed.
 * @param squares [n or 2n]; the first n become Σ_d e_p², averaged over prefixes.
 */
export function nestErrors(
  p: Program,
  { rows, auxiliary, ends, sparse, weights, residual, squares }: {
    rows: number;
    auxiliary: boolean;
    /** Number of latents of each prefix, ascending; the last is m. */
    ends: readonly number[];
    sparse: SparseRows;
    weights: Weights;
    residual: DeviceBuffer;
    squares: DeviceBuffer;
  },
): { sparse: SparseRows; residual: DeviceBuffer; half: number } {
  const prefixes = ends.length;
  const half = rows * prefixes;
  const all = half + (auxiliary ? rows : 0);
  const { dModel: d } = weights;
  const offsets = p.buffers.zeros("prefix offsets", all + 1);
  const nested = p.buffers.zeros("errors of prefixes", all * d);
  const nestedSquares = p.buffers.zeros("squared errors of prefixes", half);
  const endsOf = p.buffers.from("ends of prefixes", Uint32Array.from(ends));
  const { latents, values } = sparse;
  const share = 1 / prefixes;
  if (isCpu(p.device)) {
    const own = {
      ...{ offsets: u32(sparse.offsets), latents: u32(latents), values: f32(values) },
      ...{ nestedOffsets: u32(offsets), ends: u32(endsOf), wDec: f32(weights.shards[0].wDec) },
      ...{ residual: f32(residual), nested: f32(nested), squares: f32(squares) },
      ...{ nestedSquares: f32(nestedSquares), rows, prefixes, auxiliary, d },
    };
    p.loop(splitOffsets, own, all);
    p.loop(addPrefixes, own, rows);
    squareRows(p, { rows: half, cols: d, x: nested, squares: nestedSquares });
    p.loop(sumPrefixes, own, rows);
    return { sparse: { ...sparse, rows: all, offsets }, residual: nested, half };
  }
  p.kernel(prefixOffsets(), {
    sizes: { rows, prefixes, all },
    bind: { offsets: sparse.offsets, latents, ends: endsOf, nested: offsets },
    workgroups: Math.ceil(all / 64),
  });
  for (const [index, shard] of weights.shards.entries()) {
    const { first: firstLatent, latents: count, wDec } = shard;
    const begins = index === 0;
    p.kernel(prefixErrors({ d, begins }), {
      sizes: { rows, prefixes, firstLatent, count },
      bind: { offsets, latents, values, wDec, nested, residual: begins ? residual : undefined },
      workgroups: rows,
    });
  }
  squareRows(p, { rows: half, cols: d, x: nested, squares: nestedSquares });
  p.kernel(prefixSums({ d, auxiliary }), {
    sizes: { rows, prefixes, share },
    bind: { nested, residual, squares, nestedSquares },
    workgroups: rows,
  });
  return { sparse: { ...sparse, rows: all, offsets }, residual: nested, half };
}

/** The sample of each sorted entry, from its row of {@linkcode nestErrors} in `columns.rows`. */
export function samplesOfPrefixes(
  p: Program,
  { columns, dictSize, rows, prefixes, capacity }: {
    columns: SparseColumns;
    dictSize: number;
    rows: number;
    prefixes: number;
    /** Largest number of entries. */
    capacity: number;
  },
): DeviceBuffer {
  const samples = p.buffers.zeros("entry samples", capacity);
  const half = rows * prefixes;
  if (isCpu(p.device)) {
    const { latentOffsets, rows } = columns;
    const own = { latentOffsets: u32(latentOffsets), rows: u32(rows), samples: u32(samples) };
    p.loop(divideRowNumbers, { ...own, half, prefixes }, dictSize);
    return samples;
  }
  p.kernel(prefixSamples(), {
    sizes: { latents: dictSize, half, prefixes },
    bind: { latentOffsets: columns.latentOffsets, rows: columns.rows, samples },
    workgroups: Math.ceil(capacity / 64),
  });
  return samples;
}

/** nested[r · prefixes + g + 1]: the first entry of row r whose latent is not in prefix g. One thread per row. */
export const prefixOffsets = () =>
  defineKernel({
    label: "prefix offsets",
    sizes: { rows: "u32", prefixes: "u32", all: "u32" },
    bind: { offsets: read("u32"), latents: read("u32"), ends: read("u32"), nested: write("u32") },
    workgroup: 64,
    body: `
  if (thread >= sizes.all) { return; }
  let half = sizes.rows * sizes.prefixes;
  if (thread >= half) {
    nested[thread + 1u] = offsets[sizes.rows + thread - half + 1u];
    return;
  }
  let row = thread / sizes.prefixes;
  let stop = ends[thread % sizes.prefixes];
  var low = offsets[row];
  var high = offsets[row + 1u];
  while (low < high) {
    let middle = (low + high) / 2u;
    if (latents[middle] < stop) { low = middle + 1u; } else { high = middle; }
  }
  nested[thread + 1u] = low;`,
  });

/**
 * nested[r · prefixes + p]: the row of `residual` plus the contributions of the prefixes after p. With
 * several shards each adds its own; all but the first add to `nested`. One workgroup per sample, from the
 * last prefix to the first.
 */
export function prefixErrors<Begins extends boolean>(
  { d, begins }: { d: number; begins: Begins },
) {
  const { element, width } = rowElements(d);
  const lanes = Math.min(64, Math.ceil(width / 8) * 8);
  const { turns, each } = shareRow(width, lanes);
  return defineKernel({
    label: "prefix errors",
    sizes: { rows: "u32", prefixes: "u32", firstLatent: "u32", count: "u32" },
    bind: {
      offsets: read("u32"),
      latents: read("u32"),
      values: read("f32"),
      wDec: read(element),
      nested: write(element),
      residual: when(begins, read(element)),
    },
    workgroup: lanes,
    body: `
  if (group >= sizes.rows) { return; }
${turns.map((j) => `  var s${j} = ${element}(0.0);`).join("\n")}
  for (var prefix = sizes.prefixes; prefix > 0u; prefix--) {
    let row = group * sizes.prefixes + prefix - 1u;
    let at = row * ${width}u + lane;
    let source = ${begins ? `group * ${width}u + lane` : "at"};
${each((j) => `nested[at + ${j}u] = ${begins ? "residual" : "nested"}[source + ${j}u] + s${j};`)}
    let end = offsets[row + 1u];
    for (var entry = offsets[row]; entry < end; entry++) {
      let latent = latents[entry] - sizes.firstLatent;
      if (latent >= sizes.count) { continue; }
      let value = values[entry];
      let begin = latent * ${width}u + lane;
${each((j) => `s${j} += value * wDec[begin + ${j}u];`)}
    }
  }`,
  });
}

/**
 * Replaces the errors of a sample's prefixes by their sums from each prefix on, times `share`. The first of
 * these is also written to `residual`, and the mean square to `squares`. With `auxiliary` the auxiliary
 * loss's residuals follow. One workgroup per sample.
 */
export function prefixSums({ d, auxiliary }: { d: number; auxiliary: boolean }) {
  const { element, width } = rowElements(d);
  return defineKernel({
    label: "prefix sums",
    sizes: { rows: "u32", prefixes: "u32", share: "f32" },
    bind: {
      nested: write(element),
      residual: write(element),
      squares: write("f32"),
      nestedSquares: read("f32"),
    },
    workgroup: 64,
    body: `
  if (group >= sizes.rows) { return; }
  let first = group * sizes.prefixes;
  for (var c = lane; c < ${width}u; c += 64u) {
    var sum = ${element}(0.0);
    for (var prefix = sizes.prefixes; prefix > 0u; prefix--) {
      let at = (first + prefix - 1u) * ${width}u + c;
      sum += nested[at];
      nested[at] = sum * sizes.share;
    }
    residual[group * ${width}u + c] = sum * sizes.share;
${
      auxiliary
        ? `    nested[(sizes.rows * sizes.prefixes + group) * ${width}u + c] =
      residual[(sizes.rows + group) * ${width}u + c];`
        : ""
    }
  }
  if (lane != 0u) { return; }
  var square = 0.0;
  for (var prefix = 0u; prefix < sizes.prefixes; prefix++) { square += nestedSquares[first + prefix]; }
  squares[group] = square * sizes.share;`,
  });
}

/** samples[j]: the sample of row rows[j]. One thread per entry. */
export const prefixSamples = () =>
  defineKernel({
    label: "prefix samples",
    sizes: { latents: "u32", half: "u32", prefixes: "u32" },
    bind: { latentOffsets: read("u32"), rows: read("u32"), samples: write("u32") },
    workgroup: 64,
    body: `
  if (thread >= latentOffsets[sizes.latents]) { return; }
  let row = rows[thread];
  samples[thread] = select(row - sizes.half, row / sizes.prefixes, row < sizes.half);`,
  });

interface Prefixes {
  offsets: Uint32Array;
  latents: Uint32Array;
  values: Float32Array;
  nestedOffsets: Uint32Array;
  ends: Uint32Array;
  wDec: Float32Array;
  residual: Float32Array;
  nested: Float32Array;
  squares: Float32Array;
  nestedSquares: Float32Array;
  rows: number;
  prefixes: number;
  auxiliary: boolean;
  d: number;
}

/** The loop of {@linkcode prefixOffsets}, over rows of the result. */
function splitOffsets(
  { offsets, latents, nestedOffsets, ends, rows, prefixes }: Prefixes,
  from: number,
  to: number,
): void {
  const half = rows * prefixes;
  for (let at = from; at < to; at++) {
    const row = at < half ? Math.floor(at / prefixes) : rows + at - half;
    let end = offsets[row + 1];
    if (at < half) {
      while (end > offsets[row] && latents[end - 1] >= ends[at % prefixes]) end--;
    }
    nestedOffsets[at + 1] = end;
  }
}

/** The loop of {@linkcode prefixErrors}, over samples. */
function addPrefixes(
  { nestedOffsets, latents, values, wDec, residual, nested, rows: _, prefixes, d }: Prefixes,
  from: number,
  to: number,
  thread: Thread,
): void {
  const add = addRowsOn(thread);
  for (let row = from; row < to; row++) {
    const begin = row * prefixes;
    const last = begin + prefixes - 1;
    nested.set(residual.subarray(row * d, (row + 1) * d), last * d);
    for (let at = last; at > begin; at--) {
      nested.copyWithin((at - 1) * d, at * d, (at + 1) * d);
      const range = { first: nestedOffsets[at], last: nestedOffsets[at + 1], d };
      add(nested, (at - 1) * d, wDec, latents, values, range);
    }
  }
}

/** The loop of {@linkcode prefixSums}, over samples; the sums are float64. */
function sumPrefixes(
  { residual, nested, squares, nestedSquares, rows, prefixes, auxiliary, d }: Prefixes,
  from: number,
  to: number,
): void {
  const sums = new Float64Array(d);
  for (let row = from; row < to; row++) {
    const first = row * prefixes;
    sums.fill(0);
    let square = 0;
    for (let prefix = prefixes - 1; prefix >= 0; prefix--) {
      square += nestedSquares[first + prefix];
      for (let c = 0, at = (first + prefix) * d; c < d; c++, at++) {
        sums[c] += nested[at];
        nested[at] = sums[c] / prefixes;
      }
    }
    squares[row] = square / prefixes;
    residual.set(nested.subarray(first * d, (first + 1) * d), row * d);
    if (!auxiliary) continue;
    const left = residual.subarray((rows + row) * d, (rows + row + 1) * d);
    nested.set(left, (rows * prefixes + row) * d);
  }
}

/** The loop of {@linkcode samplesOfPrefixes}, over latents. */
function divideRowNumbers(
  { latentOffsets, rows, samples, half, prefixes }: {
    latentOffsets: Uint32Array;
    rows: Uint32Array;
    samples: Uint32Array;
    half: number;
    prefixes: number;
  },
  from: number,
  to: number,
): void {
  for (let at = latentOffsets[from]; at < latentOffsets[to]; at++) {
    samples[at] = rows[at] < half ? Math.floor(rows[at] / prefixes) : rows[at] - half;
  }
}

/** The loops above, for workers to find by name. */
export const NESTED_LOOPS = [
  ...[splitOffsets, addPrefixes, sumPrefixes],
  divideRowNumbers,
] as readonly Loop<never>[];
