// Helpers of tests of the GPU: small random matrices, uploads and readbacks, comparisons.
import { assert, assertEquals } from "@std/assert";
import {
  type BufferSet,
  type DeviceBuffer,
  readFloats,
  readParts,
  writeBuffer,
} from "../lib/device/buffer.ts";
import {
  type Gpu,
  hasHardwareGpu,
  type OpenedGpu,
  openGpu as openAdapter,
  useGpu,
} from "../lib/device/gpu.ts";
import {
  createProgram,
  type Program,
  type Stage,
  submit as submitStages,
} from "../lib/device/program.ts";
import { openDevice } from "../lib/device/open_device.ts";
import type { Device, DeviceOptions } from "../lib/device/device.ts";
import type { Matrix } from "../lib/matrix.ts";
import type { PreActivations } from "../lib/ops/pre_activations.ts";
import { createSparseRows, type SparseRows } from "../lib/ops/sparse_rows.ts";
import { uploadWeights, type Weights } from "../lib/ops/weights.ts";
import { createRandom } from "../lib/random.ts";
import type { Sae } from "../lib/sae/sae.ts";
import type { PlainSparse } from "./oracles/sparse.ts";
import { asked, howMany } from "./depth.ts";
import { openTestCpu } from "./test_cpu.ts";

/** Limits at which small weights fall into shards, z into blocks, and dispatches into two dimensions. */
export const TIGHT: DeviceOptions = {
  limits: { maxStorageBufferBindingSize: 4096, maxComputeWorkgroupsPerDimension: 7 },
};

/** The same for tests that select over the batch: the histogram alone takes 8 KiB. */
export const SMALL: DeviceOptions = {
  limits: { maxStorageBufferBindingSize: 8192, maxComputeWorkgroupsPerDimension: 7 },
};

/** Dispatches in two dimensions, and buffers of any size. */
export const NARROW: DeviceOptions = { limits: { maxComputeWorkgroupsPerDimension: 7 } };

/** Opens a GPU that no other test uses: hardware if available, else a software adapter. */
export async function openOwnGpu(options: DeviceOptions = {}): Promise<Gpu> {
  return await openAdapter(await hasHardwareGpu() ? "hardware" : "software", options);
}

let shared: Promise<OpenedGpu> | undefined;

/**
 * Opens the GPU that the tests of a file share, one after the other: the WebGPU device and its compiled kernels
 * stay open, since a software adapter takes 10 ms to compile each kernel, of which a training step has 70.
 */
export async function openGpu(options: DeviceOptions = {}): Promise<Gpu> {
  shared ??= openOwnGpu().then(({ device, kernels }) => {
    device.lost.then(() => shared = undefined);
    return { device, kernels, info: device.adapterInfo };
  });
  return useGpu(await shared, options);
}

/**
 * The device for tests of modules above lib/ops: the CPU, many times as fast as a software adapter, and without
 * limits that split the work. It runs on the calling thread: on matrices this small, two workers that wait for
 * each other take five times the CPU time. `asked` may name another device.
 */
export async function openTestDevice(
  { limits, ...options }: DeviceOptions = {},
): Promise<Device> {
  const device = (asked.device ?? "cpu") as DeviceOptions["device"];
  if (device === "cpu") return await openTestCpu({ workers: 0, ...options });
  return await openDevice({ ...options, limits, device });
}

/** The CPU devices for tests of operations: with and without workers, plain loops and SIMD. */
export const CPUS: DeviceOptions[] = [
  { device: "cpu", workers: 0, simd: false, integerProduct: false, denseStep: false },
  { device: "cpu", workers: 0, integerProduct: false, denseStep: false },
  { device: "cpu", workers: 2, integerProduct: false, denseStep: false },
];

/**
 * The devices that an operation is tested on, one after the other, each freed afterwards: a GPU with each of the
 * given options (mostly limits), and the CPU with each of {@linkcode CPUS}.
 */
export async function* eachDevice(
  gpuOptions: DeviceOptions[] = [{}],
): AsyncGenerator<{ device: Device; options: DeviceOptions; name: string }> {
  for (const options of [...gpuOptions, ...CPUS]) {
    using device = options.device === "cpu" ? await openTestCpu(options) : await openGpu(options);
    const name = `${device.name} ${JSON.stringify(options)}`;
    yield { device, options, name };
    device.check();
    assertEquals(device.allocated, 0, `bytes that ${name} still holds`);
  }
}

/** Opens a device for a test. */
export type Open = (options?: DeviceOptions) => Promise<Device>;

/**
 * What is tested on a device; `steps` is how many a training is to take, 20, of which a GPU takes 7 by default: a
 * software adapter needs 25 ms each.
 */
export type DeviceBody = (open: Open, steps: number) => Promise<void>;

/** Steps of a training on a GPU. */
export const GPU_STEPS = howMany(7, 20);

/** A test's name and body, and whether to repeat it with the dense products of ReLU and JumpReLU. */
type DeviceTest = [name: string, body: DeviceBody, how?: { dense?: boolean }];

/**
 * Registers a test twice: on a GPU, and on the CPU with two workers, where limits are ignored. With `dense` also
 * once more on each with the dense products of ReLU and JumpReLU: on the CPU while many latents are active, on
 * the GPU always.
 */
export function testOnDevices(...test: DeviceTest): void {
  // tests/heavy/on_gpu.ts runs on a GPU what `task test` has on the CPU alone.
  if (asked.device) return;
  registerOnGpu(...test);
  registerOnCpu(...test);
}

/**
 * Registers a test on the CPU (the calling thread), and in tests/heavy on a GPU: for properties of code that both
 * devices share, if another test of the file runs the kernels.
 */
export function testOnCpu(...test: DeviceTest): void {
  const [name, body, options] = test;
  if (asked.device) registerOnGpu(...test);
  else registerOnCpu(name, body, { workers: 0, ...options });
}

function registerOnGpu(...[name, body, { dense } = {}]: DeviceTest): void {
  const openWith = (more: DeviceOptions): Open => (options) => openGpu({ ...more, ...options });
  const run = (more: DeviceOptions) => body(openWith(more), GPU_STEPS);
  Deno.test(`${name}, on a GPU`, () => run(dense ? { denseStep: false } : {}));
  if (!dense) return;
  Deno.test(`${name}, on a GPU by dense products`, () => run({ denseStep: true }));
}

function registerOnCpu(
  name: string,
  body: DeviceBody,
  { dense = false, workers = 2 } = {},
): void {
  const openWith = (more: DeviceOptions): Open => ({ limits: _, ...options } = {}) =>
    openTestCpu({ workers, integerProduct: false, ...more, ...options });
  Deno.test(`${name}, on the CPU`, () => body(openWith({ denseStep: false }), 20));
  if (!dense) return;
  Deno.test(`${name}, on the CPU by dense products`, () => body(openWith({}), 20));
}

/** The stages that `append` appends to a program, and the buffers that it creates. */
export async function build(
  device: Device,
  buffers: BufferSet,
  append: (p: Program) => void,
): Promise<Stage[]> {
  const p = createProgram(device, buffers);
  append(p);
  return await p.stages();
}

/** Submits built stages one or more times. */
export function submit(
  device: Device,
  stages: (Stage | Stage[])[],
  clear: DeviceBuffer[] = [],
): void {
  submitStages(device, stages.flat(), clear);
}

/** `length` numbers, uniform in ±scale. */
export function randomNumbers(seed: number, length: number, scale = 1): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => (2 * random.uniform() - 1) * scale);
}

/** A matrix with elements uniform in ±scale. */
export function randomMatrix(seed: number, rows: number, cols: number, scale = 1): Matrix {
  return { data: randomNumbers(seed, rows * cols, scale), rows, cols };
}

/** An SAE without special values: nothing is zero, tied or of norm 1. */
export function randomSae(
  seed: number,
  dModel: number,
  dictSize: number,
  more?: Partial<Sae>,
): Sae {
  return {
    architecture: "batchtopk",
    dModel,
    dictSize,
    wEnc: randomNumbers(seed, dictSize * dModel),
    bEnc: randomNumbers(seed + 1, dictSize, 0.3),
    wDec: randomNumbers(seed + 2, dictSize * dModel),
    bDec: randomNumbers(seed + 3, dModel, 0.5),
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: {},
    ...more,
  };
}

/** Fails if a number differs from the oracle's by more than `bound` times the oracle's largest. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  name: string,
  bound = 1e-4,
): void {
  assertEquals(actual.length, expected.length, `${name}: length`);
  let scale = 0;
  for (let at = 0; at < expected.length; at++) scale = Math.max(scale, Math.abs(expected[at]));
  for (let at = 0; at < expected.length; at++) {
    const distance = Math.abs(actual[at] - expected[at]);
    assert(
      distance <= bound * scale,
      `${name}[${at}] is ${actual[at]}, the oracle says ${expected[at]} (scale ${scale})`,
    );
  }
}

/** ‖actual − expected‖ / ‖expected‖. */
export function relativeDistance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let at = 0; at < expected.length; at++) {
    difference += (actual[at] - expected[at]) ** 2;
    norm += expected[at] ** 2;
  }
  return Math.sqrt(difference / norm);
}

/**
 * The same GPU, reported as a hardware or a software adapter: operations choose kernels by that. The screening
 * format is fixed, not measured.
 */
export function presentAs(gpu: Device, kind: "hardware" | "software"): Device {
  return Object.create(gpu, {
    software: { value: kind === "software" },
    screening: { value: (gpu as Gpu).screening ?? "int8" },
  });
}

/** Runs `body` as on a hardware adapter and as on a software one; returns both results. */
export async function onBothKinds<T>(gpu: Device, body: (gpu: Device) => Promise<T>): Promise<T> {
  const hardware = await body(presentAs(gpu, "hardware"));
  const software = await body(presentAs(gpu, "software"));
  assertEquals(hardware, software);
  return software;
}

/** Runs `body` with exactly `bytes` free below the GPU's memory limit. */
export async function withFree<T>(gpu: Device, bytes: number, body: () => Promise<T>): Promise<T> {
  const ballast = gpu.memoryLimit - gpu.allocated - bytes;
  gpu.account(ballast, "ballast");
  try {
    return await body();
  } finally {
    gpu.account(-ballast, "ballast");
  }
}

/** Puts pre-activations [rows, cols] on the GPU, in blocks of `rowsPerBlock` rows. */
export function putPreActivations(
  buffers: BufferSet,
  z: Float32Array,
  cols: number,
  rowsPerBlock: number,
): PreActivations {
  const blocks = [];
  for (let first = 0; first * cols < z.length; first += rowsPerBlock) {
    const part = z.subarray(first * cols, (first + rowsPerBlock) * cols);
    blocks.push({ first, rows: part.length / cols, z: buffers.from("pre-activations", part) });
  }
  return { cols, blocks };
}

/**
 * Samples and weights whose pre-activations are any matrix z [rows, cols] of finite numbers from 0 on, bit by
 * bit: samples are unit vectors, latents the columns of z.
 */
export function putProduct(
  device: Device,
  buffers: BufferSet,
  z: Float32Array,
  cols: number,
): { rows: number; input: DeviceBuffer; weights: Weights } {
  const rows = z.length / cols;
  const wEnc = Float32Array.from(z, (_, at) => z[at % rows * cols + Math.floor(at / rows)]);
  const bEnc = new Float32Array(cols);
  const bDec = new Float32Array(rows);
  const sae = { dModel: rows, dictSize: cols, wEnc, bEnc, wDec: wEnc, bDec };
  const unit = Float32Array.from({ length: rows * rows }, (_, at) => at % (rows + 1) ? 0 : 1);
  const input = buffers.from("x", unit);
  return { rows, input, weights: uploadWeights(device, buffers, sae) };
}

/** Reads pre-activations back. */
export async function readPreActivations(gpu: Device, z: PreActivations): Promise<number[]> {
  const all: number[] = [];
  for (const block of z.blocks) all.push(...await readFloats(gpu, block.z, block.rows * z.cols));
  return all;
}

/** Puts sparse rows on the GPU. */
export function putSparse(gpu: Device, buffers: BufferSet, plain: PlainSparse): SparseRows {
  const { offsets, latents, values } = plain;
  const sparse = createSparseRows(buffers, offsets.length - 1, Math.max(1, latents.length));
  writeBuffer(gpu, sparse.offsets, Uint32Array.from(offsets));
  writeBuffer(gpu, sparse.latents, Uint32Array.from(latents));
  writeBuffer(gpu, sparse.values, Float32Array.from(values));
  return sparse;
}

/** Reads the first `rows` sparse rows back. */
export async function readSparse(
  gpu: Device,
  sparse: SparseRows,
  rows = sparse.rows,
): Promise<PlainSparse> {
  // In one wait: a GPU's takes 10 ms at least.
  const { offsets, latents, values, capacity } = sparse;
  const parts = [
    ...[{ buffer: offsets, length: rows + 1 }, { buffer: latents, length: capacity }],
    { buffer: values, length: capacity },
  ];
  const [starts, columns, numbers] = await readParts(gpu, parts);
  const plain = [...new Uint32Array(starts)];
  const length = Math.min(plain[rows], capacity);
  return {
    offsets: plain,
    latents: [...new Uint32Array(columns).subarray(0, length)],
    values: [...new Float32Array(numbers).subarray(0, length)],
  };
}
