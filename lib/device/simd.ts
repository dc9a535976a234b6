import { SIMD_BYTES } from "../../kernels/simd/bytes.ts";
import type { Memory } from "./cpu_memory.ts";

/** The hot loops in WebAssembly SIMD. Addresses are byte offsets in the memory they were loaded with. */
export interface Simd {
  /** See `dot` in lib/ops/arithmetic.ts. */
  dot(a: number, b: number, d: number): number;
  /** See `addRows` in lib/ops/arithmetic.ts; `stride` is in bytes. */
  addRows(
    out: number,
    source: number,
    rows: number,
    factors: number,
    stride: number,
    count: number,
    half: number,
    sign: number,
    fresh: number,
    d: number,
  ): void;
  /** See `updateRow` in lib/ops/update_row.ts. */
  updateRow(
    w: number,
    first: number,
    second: number,
    gradient: number,
    step: number,
    rate: number,
    decoder: number,
    d: number,
  ): void;
  /** Rounds a row to bytes; see `roundLatents` in lib/ops/round_rows.ts. */
  roundRow(
    w: number,
    balance: number,
    peaks: number,
    bytes: number,
    most: number,
    zero: number,
    d: number,
    scale: number,
    norm: number,
    error: number,
  ): void;
  /** Rounds a row to a column of bytes; see `roundSamples` in lib/ops/round_rows.ts. */
  roundColumn(
    x: number,
    inverseBalance: number,
    bytes: number,
    count: number,
    d: number,
    scale: number,
    norm: number,
    error: number,
  ): void;
  /** See `scanSums` in lib/ops/scan_sums.ts. */
  scanSums(
    sums: number,
    scale: number,
    rowCuts: number,
    rows: number,
    inverse: number,
    least: number,
    latents: number,
    out: number,
  ): number;
  /** See `dotPairs` in lib/ops/scan_sums.ts. */
  dotPairs(
    pairs: number,
    count: number,
    rows: number,
    x: number,
    w: number,
    latents: number,
    d: number,
    out: number,
  ): void;
  /** See `groupMaxima` in lib/ops/scan_sums.ts. */
  groupMaxima(
    sums: number,
    scale: number,
    rows: number,
    step: number,
    less: number,
    latents: number,
    best: number,
    group: number,
    groups: number,
  ): void;
}

/** Loads the SIMD loops over a shared memory; undefined where the runtime cannot run them. */
export function loadSimd(memory: Memory): Simd | undefined {
  if (!("WebAssembly" in globalThis)) return undefined;
  const bytes = Uint8Array.from(atob(SIMD_BYTES), (letter) => letter.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) return undefined;
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: memory as WebAssembly.Memory },
    });
    return exports as unknown as Simd;
  } catch {
    // The module needs a shared memory; a page without one runs the plain loops.
    return undefined;
  }
}
