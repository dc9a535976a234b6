// Selections of the CPU device, and the expected ones from the exact float32 dot products of all pairs.
import { assertEquals } from "@std/assert";
import {
  type BufferSet,
  createBuffers,
  type DeviceBuffer,
  readIntegers,
  writeBuffer,
} from "../../lib/device/buffer.ts";
import type { Cpu } from "../../lib/device/cpu.ts";
import { createProgram, submit } from "../../lib/device/program.ts";
import { dot } from "../../lib/ops/arithmetic.ts";
import type { Cut } from "../../lib/ops/screen_arguments.ts";
import { selectOnCpu } from "../../lib/ops/select_on_cpu.ts";
import { createSparseRows } from "../../lib/ops/sparse_rows.ts";
import { uploadWeights } from "../../lib/ops/weights.ts";
import { readSparse } from "../gpu_helper.ts";
import { type PlainSparse, toSparse } from "../oracles/sparse.ts";
import { keepLargest, keepLargestOfRows } from "../oracles/dense.ts";

/** The inputs of a selection. */
export interface Selection {
  name: string;
  /** [n, d] samples, [m, d] encoder, [m] bias. */
  x: Float32Array;
  wEnc: Float32Array;
  bEnc: Float32Array;
  d: number;
  cut: Cut;
  /** "batch" and "row". */
  wanted?: number;
  /** "latent". */
  threshold?: Float32Array;
  /** Only these latents take part, ascending. */
  among?: number[];
  /** The threshold of the previous step. */
  before?: number;
}

/** Exact pre-activations of all pairs, [n, m]: each dot in float32 and in `dot`'s order. */
export function allPairs({ x, wEnc, bEnc, d }: Selection): Float32Array {
  const [n, m] = [x.length / d, bEnc.length];
  const z = new Float32Array(n * m);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < m; i++) z[r * m + i] = dot(x, r * d, wEnc, i * d, d) + bEnc[i];
  }
  return z;
}

/** The expected selection; empty for a batch that is not finite. */
export function expectedOf(selection: Selection): PlainSparse {
  const { bEnc, cut, wanted = 0, threshold, among } = selection;
  const m = bEnc.length;
  if (!selection.x.every(Number.isFinite)) {
    return {
      offsets: Array(selection.x.length / selection.d + 1).fill(0),
      latents: [],
      values: [],
    };
  }
  const z = allPairs(selection);
  const taking = among ?? [...bEnc.keys()];
  if (cut === "row") return toSparse(z, keepLargestOfRows(z, m, taking, wanted), m);
  if (cut === "batch") return toSparse(z, keepLargest(z, wanted), m);
  return toSparse(z, z.map((value, at) => value > 0 && value > threshold![at % m] ? 1 : 0), m);
}

/** Selects on the CPU, twice in one program; returns the selections and the number of candidates. */
export async function selectOn(cpu: Cpu, selection: Selection) {
  const { x, wEnc, bEnc, d, cut, wanted = 0, threshold, among, before } = selection;
  const [n, m] = [x.length / d, bEnc.length];
  using buffers = createBuffers(cpu);
  const named = new Map<string, DeviceBuffer>();
  const spy: BufferSet = {
    ...buffers,
    zeros: (label, length) => {
      const buffer = buffers.zeros(label, length);
      named.set(label, buffer);
      return buffer;
    },
  };
  const weights = uploadWeights(cpu, buffers, {
    ...{ dModel: d, dictSize: m, wEnc, bEnc },
    ...{ wDec: new Float32Array(m * d), bDec: new Float32Array(d) },
  });
  const most = cut === "latent" ? n * m : cut === "row" ? n * wanted : wanted;
  const out = createSparseRows(buffers, n, Math.min(n * m, most));
  const bad = x.findIndex((value) => !Number.isFinite(value));
  const stats = buffers.from("stats", Uint32Array.of(bad < 0 ? 0 : ~bad, 0, 0));
  const p = createProgram(cpu, spy);
  selectOnCpu(p, {
    ...{ rows: n, input: buffers.from("x", x), weights, out, cut, wanted, stats },
    threshold: threshold && buffers.from("threshold", threshold),
    among: among && buffers.from("among", Uint32Array.of(among.length, ...among)),
  });
  const stages = await p.stages();
  const results = [];
  for (let run = 0; run < 2; run++) {
    if (cut === "batch" && before !== undefined) {
      writeBuffer(cpu, named.get("cut")!, Float32Array.of(before), 2);
    }
    submit(cpu, stages);
    const sparse = await readSparse(cpu, out);
    const [found, candidates] = await readIntegers(cpu, named.get("found")!, 2);
    results.push({ sparse, found, candidates });
  }
  return results;
}

/**
 * Fails where a device's selection differs in any bit from that of all pairs' dots; gives the last run's
 * counts.
 */
export async function checkSelection(cpus: Cpu[], selection: Selection) {
  const { offsets, latents, values } = expectedOf(selection);
  let last;
  for (const cpu of cpus) {
    for (const [run, result] of (await selectOn(cpu, selection)).entries()) {
      const name = `${selection.name}, ${selection.cut}, run ${run + 1}, ${cpu.name}`;
      assertEquals(result.sparse.offsets, offsets, `${name}: offsets`);
      assertEquals(result.sparse.latents, latents, `${name}: latents`);
      assertEquals(result.sparse.values, values, `${name}: values`);
      last = result;
    }
  }
  return { ...last!, kept: values.length };
}
