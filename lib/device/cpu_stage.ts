import type { Memory } from "./cpu_memory.ts";
import { loadSimd, type Simd } from "./simd.ts";

/** A product of 8-bit matrices: exact sums of (a − zero) · b. */
export interface IntegerProduct {
  /** Bits of a's numbers: |a − zero| < 2^(bits − 1). */
  readonly bits: 7 | 8;
  /** Zero point of a. */
  readonly zero: number;
  /**
   * a [rows, inner] times b [inner, cols]; b's numbers are from −127 to 127. The caller owns the sums
   * and may detach their buffer.
   */
  multiply(
    a: Uint8Array,
    b: Int8Array,
    sizes: { rows: number; inner: number; cols: number },
  ): Int32Array;
}

/** Losses and gradients of a share of the samples by dense products; see lib/language_model/dense_step.ts. */
export type DenseStep = (inputs: {
  /** [rows, d] the encoder's input, and the decoder's target. */
  x: Float32Array;
  target: Float32Array;
  wEnc: Float32Array;
  bEnc: Float32Array;
  wDec: Float32Array;
  /** JumpReLU: [m] θ. */
  theta: Float32Array | undefined;
  rows: number;
  /** −2/(n·d); L1's gradient of each activation; half the bandwidth. */
  main: number;
  penalty: number;
  half: number;
}) => DenseResult;

/** Results of a dense step. */
export interface DenseResult {
  /** [rows, d] target − f · wDec. */
  residual: Float32Array;
  /** [m, d] gradients of encoder and decoder rows. */
  encoder: Float32Array;
  decoder: Float32Array;
  /** [m] Σ over samples of the gradient with respect to the pre-activation. */
  encoderBias: Float32Array;
  /** [m] samples in which each latent is active. */
  counts: Float32Array;
  /** [rows] Σ of activations, or their number for JumpReLU. */
  penalties: Float32Array;
  /** [1] the smallest activation; 3.4e38 where there is none. */
  least: Float32Array;
  /** JumpReLU, [m]: gradients and number of the samples in θ's window. */
  inside?: Float32Array;
  samples?: Float32Array;
}

/** One of the threads that share a stage's work, as a loop sees it. */
export interface Thread {
  /** Its index, from 0. */
  readonly index: number;
  /** Number of threads. */
  readonly count: number;
  /** Barrier and counters shared by all threads; absent where there is one. */
  readonly control?: Int32Array;
  /** The memory of all buffers. */
  readonly memory: Memory;
  /** The hot loops in WebAssembly SIMD; undefined where plain loops are requested or SIMD is not available. */
  readonly simd?: Simd;
  /** Multiplies 8-bit matrices. */
  readonly integerProduct: IntegerProduct;
  /** Dense products of a library, if available. */
  readonly denseStep?: DenseStep;
}

/** A range of numbers in a device's memory, as sent to another thread. */
export interface Range<T> {
  /** Name of its typed array. */
  readonly view: T;
  /** Offset in bytes. */
  readonly offset: number;
  /** Number of elements. */
  readonly length: number;
}

const VIEWS = {
  f32: Float32Array,
  u32: Uint32Array,
  i32: Int32Array,
  u8: Uint8Array,
  i8: Int8Array,
};

/** Names of the views of a range. */
export type ViewName = keyof typeof VIEWS;

/**
 * A function that does a stage's work on the CPU. A stage has `items` work items; each call gets those
 * from `from` to `to` − 1, and calls of one stage run concurrently.
 */
export type Loop<A> = (
  args: A,
  from: number,
  to: number,
  thread: Thread,
) => void;

/** The arguments of a loop, with ranges in place of typed arrays. */
export type Ranges<A> = {
  [K in keyof A]: A[K] extends Float32Array | undefined ? Range<"f32"> | Extract<A[K], undefined>
    : A[K] extends Uint32Array | undefined ? Range<"u32"> | Extract<A[K], undefined>
    : A[K] extends Int32Array | undefined ? Range<"i32"> | Extract<A[K], undefined>
    : A[K] extends Uint8Array | undefined ? Range<"u8"> | Extract<A[K], undefined>
    : A[K] extends Int8Array | undefined ? Range<"i8"> | Extract<A[K], undefined>
    : A[K];
};

/** A loop with its arguments, ready to run. */
export interface CpuStage {
  /** Name of the loop's function, by which workers find it. */
  readonly name: string;
  /** The loop; workers have their own. */
  readonly loop?: Loop<never>;
  /** Its arguments. */
  readonly args: Readonly<Record<string, unknown>>;
  /** Number of work items. */
  readonly items: number;
  /** Items that a thread takes at a time. */
  readonly grain: number;
  /** The stage is skipped unless `flag` is `value` when all threads have reached it. */
  readonly when?: { flag: Range<"u32">; value: number };
  /** Goes back `back` stages, unless `flag` is 1 when all threads have finished this one. */
  readonly repeat?: { flag: Range<"u32">; back: number };
}

/** Setup of a thread. */
export interface ThreadOptions {
  index: number;
  count: number;
  memory: Memory;
  control?: Int32Array;
  simd: boolean;
  integerProduct?: string;
  denseStep?: string;
}

/** Prepares a thread: loads its SIMD loops and the modules with 8-bit and dense products. */
export async function createThread(
  { simd, integerProduct, denseStep, ...setup }: ThreadOptions,
): Promise<Thread> {
  updateLength(setup.memory);
  return {
    ...setup,
    simd: simd ? loadSimd(setup.memory) : undefined,
    integerProduct: integerProduct === undefined
      ? plainProduct
      : await (await import(integerProduct)).createIntegerProduct(),
    denseStep: denseStep === undefined ? undefined : (await import(denseStep)).createDenseStep(),
  };
}

/**
 * Lets a worker see the memory's whole length. One that starts while another thread grows the memory keeps the
 * old length, and so do its SIMD loops ("memory access out of bounds"; V8 in Deno 2.9): growing by 0 updates both.
 */
export function updateLength(memory: Memory): void {
  if ("grow" in memory) (memory as WebAssembly.Memory).grow(0);
}

/** The product of 8-bit matrices in a plain loop, where nothing faster is available. */
export const plainProduct: IntegerProduct = {
  bits: 8,
  zero: 128,
  multiply(a, b, { rows, inner, cols }) {
    const out = new Int32Array(rows * cols);
    for (let row = 0; row < rows; row++) {
      const own = out.subarray(row * cols, (row + 1) * cols);
      for (let k = 0; k < inner; k++) {
        const factor = a[row * inner + k] - 128;
        if (factor === 0) continue;
        for (let c = 0, at = k * cols; c < cols; c++, at++) own[c] += factor * b[at];
      }
    }
    return out;
  },
};

const ARRIVED = 0;
const GENERATION = 1;
const NEXT = 2;
const FAILED = 3;
const STOPPED = 4;

/** Milliseconds of stages by the name of their loop, waiting for other threads included. */
export type StageTimes = Record<string, number>;

/**
 * Runs a thread's share of stages in order: all threads finish a stage before any starts the next.
 * Threads take items dynamically; no result depends on which thread processes which item.
 *
 * @param find Finds a loop by its name, where a stage has only the name.
 */
export function runStages(
  thread: Thread,
  stages: CpuStage[],
  find?: (name: string) => Loop<never> | undefined,
): StageTimes {
  const { control } = thread;
  const times: StageTimes = {};
  let failure: unknown;
  for (let stage = 0; stage < stages.length; stage++) {
    const { name, loop = find?.(name), args, items, grain, repeat, when } = stages[stage];
    if (when) {
      const flag = new Uint32Array(thread.memory.buffer, when.flag.offset, 1);
      if (Atomics.load(flag, 0) !== when.value) continue;
    }
    const began = performance.now();
    try {
      if (!loop) throw new Error(`there is no loop ${name}, expected one in lib/ops/loops.ts`);
      const own = viewsOf(thread.memory, args) as never;
      const next = counter(control);
      const failed = () => control ? Atomics.load(control, FAILED) !== 0 : false;
      for (let from = next(grain); from < items && !failed(); from = next(grain)) {
        loop(own, from, Math.min(items, from + grain), thread);
      }
    } catch (error) {
      failure ??= error;
      if (!control) throw error;
      Atomics.store(control, FAILED, 1);
    }
    const stopped = control ? barrier(control, thread.count) : false;
    times[name] = (times[name] ?? 0) + performance.now() - began;
    // No thread writes the flag before all have read it: the end of the next stage is another barrier.
    if (repeat && !stopped) {
      const flag = new Uint32Array(thread.memory.buffer, repeat.flag.offset, 1);
      if (Atomics.load(flag, 0) !== 1) stage -= repeat.back + 1;
    }
  }
  if (failure) throw failure;
  return times;
}

function counter(control: Int32Array | undefined): (step: number) => number {
  if (control) return (step) => Atomics.add(control, NEXT, step);
  let at = 0;
  return (step) => {
    const from = at;
    at += step;
    return from;
  };
}

/**
 * Waits until all threads arrive; the last one resets the counter of items. Returns whether any thread
 * failed in this stage, the same value for all, also if one fails in the next stage meanwhile.
 */
function barrier(control: Int32Array, count: number): boolean {
  const generation = Atomics.load(control, GENERATION);
  if (Atomics.add(control, ARRIVED, 1) === count - 1) {
    Atomics.store(control, ARRIVED, 0);
    Atomics.store(control, NEXT, 0);
    Atomics.store(control, STOPPED, Atomics.load(control, FAILED));
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    return Atomics.load(control, STOPPED) !== 0;
  }
  // Most threads finish together: spinning for 20 µs costs less than sleeping and waking.
  for (let spin = 0; spin < 4000; spin++) {
    if (Atomics.load(control, GENERATION) !== generation) {
      return Atomics.load(control, STOPPED) !== 0;
    }
  }
  Atomics.wait(control, GENERATION, generation);
  return Atomics.load(control, STOPPED) !== 0;
}

function viewsOf(memory: Memory, args: CpuStage["args"]): Record<string, unknown> {
  const { buffer } = memory;
  const views: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(args)) {
    const range = value as Range<ViewName> | null | undefined;
    views[name] = typeof range === "object" && range !== null && "view" in range
      ? new VIEWS[range.view](buffer as ArrayBuffer, range.offset, range.length)
      : value;
  }
  return views;
}
