import { checkWhole } from "../whole_number.ts";
import type { Device, DeviceOptions } from "./device.ts";
import { formatBytes } from "./describe.ts";
import { DeviceError } from "./errors.ts";
import { type CpuMemory, createMemory, type Memory } from "./cpu_memory.ts";
import {
  type CpuStage,
  createThread,
  runStages,
  type StageTimes,
  type Thread,
} from "./cpu_stage.ts";

/** The processor as a device: loops over shared memory, on one worker per core. */
export interface Cpu extends Device {
  /** The processor. */
  readonly kind: "cpu";
  /** Number of threads that share the work. */
  readonly threads: number;
  /** The memory of all buffers. */
  readonly memory: CpuMemory;
  /** Enqueues work, to run after earlier work. A failure is thrown by the next `check`. */
  enqueue(work: () => void | Promise<void>): void;
  /** Whether work is pending. */
  readonly busy: boolean;
  /** Resolves when all work enqueued so far is done. */
  settled(): Promise<void>;
  /** Runs stages one after the other, each shared by all threads. */
  run(stages: CpuStage[]): Promise<void>;
  /** Whether dense products of a library (ONNX Runtime) are available. */
  readonly denseStep: boolean;
  /** Milliseconds of all stages so far, on the first thread. */
  readonly times: StageTimes;
}

/** Whether a device is the processor. */
export const isCpu = (device: Device): device is Cpu => device.kind === "cpu";

/** Number of threads of a CPU device; 1 for others. */
export const threadsOf = (device: Device): number => isCpu(device) ? device.threads : 1;

/** Threads that run stages. */
export interface WorkerPool {
  run(stages: CpuStage[]): Promise<StageTimes>;
  end(): void;
}

/** Threads and their memory, which several CPU devices can use one after another. */
export interface OpenedCpu {
  /** Number of workers, 0 for the calling thread. */
  readonly workers: number;
  /** The memory of all buffers. */
  readonly memory: CpuMemory;
  /** Setup of each thread. */
  readonly setup: ThreadSetup;
  /** Runs the stages. */
  readonly pool: WorkerPool;
}

/**
 * Opens the processor as a device.
 *
 * @throws {RangeError} `workers` is not a whole number from 0 to 256, or a limit not above 0.
 */
export async function openCpu(options: DeviceOptions): Promise<Cpu> {
  const opened = await startThreads(options);
  return useCpu(opened, options, () => opened.pool.end());
}

/**
 * Starts the threads of a CPU device and creates their memory.
 *
 * @throws {RangeError} `workers` is not a whole number from 0 to 256.
 */
export async function startThreads(options: DeviceOptions): Promise<OpenedCpu> {
  const wanted = options.workers ?? defaultWorkers();
  checkWhole(wanted, "workers", 0, 256);
  const memory = createMemory();
  const { simd = true } = options;
  return { memory, ...await openThreads(options, wanted, { memory: memory.wasm, simd }) };
}

/**
 * A CPU device on started threads, with its own limits, memory count and lifetime. Only one may be in
 * use at a time: stages of two would be mixed.
 *
 * @param end Ends the threads, where no other device uses them.
 * @throws {RangeError} A limit is not a whole number above 0.
 */
export function useCpu(
  { workers, memory, setup, pool }: OpenedCpu,
  options: DeviceOptions,
  end: () => void = () => {},
): Cpu {
  const memoryLimit = options.memoryLimit ?? Infinity;
  const times: StageTimes = {};
  let allocated = 0;
  let pending = 0;
  let last: Promise<void> = Promise.resolve();
  let failure: Error | undefined;
  let disposed = false;
  return {
    kind: "cpu",
    denseStep: setup.denseStep !== undefined,
    name: `CPU (${Math.max(1, workers)} thread${workers > 1 ? "s" : ""}${
      setup.simd && "WebAssembly" in globalThis ? ", SIMD" : ""
    }${setup.integerProduct ? ", ONNX Runtime" : ""})`,
    software: true,
    limits: limitsOf(options.limits),
    memoryLimit,
    threads: Math.max(1, workers),
    memory,
    get allocated() {
      return allocated;
    },
    get busy() {
      return pending > 0;
    },
    account(bytes, what) {
      if (bytes > 0 && allocated + bytes > memoryLimit) {
        throw new DeviceError(
          `${what} needs ${formatBytes(bytes)} of memory; ${formatBytes(allocated)} of the ` +
            `${formatBytes(memoryLimit)} allowed are in use`,
        );
      }
      allocated += bytes;
    },
    check() {
      if (disposed) throw new DeviceError("the device was used after it was disposed of");
      if (failure) throw failure;
    },
    enqueue(work) {
      pending++;
      last = last.then(async () => {
        try {
          if (!failure && !disposed) await work();
        } catch (error) {
          failure ??= error instanceof Error ? error : new DeviceError(String(error));
        } finally {
          pending--;
        }
      });
    },
    settled: () => last,
    times,
    async run(stages) {
      for (const [name, took] of Object.entries(await pool.run(stages))) {
        times[name] = (times[name] ?? 0) + took;
      }
    },
    [Symbol.dispose]() {
      disposed = true;
      end();
    },
  };
}

/**
 * Starts the threads. By default, a script without permission to read this package's modules or to load
 * ONNX Runtime gets workers without it, or the calling thread.
 */
async function openThreads(
  { workers: requested, integerProduct, denseStep }: DeviceOptions,
  workers: number,
  shared: Pick<ThreadSetup, "memory" | "simd">,
): Promise<{ workers: number; setup: ThreadSetup; pool: WorkerPool }> {
  const library = {
    integerProduct: moduleOf(integerProduct, "integer_product"),
    denseStep: moduleOf(denseStep === true ? undefined : denseStep, "dense_step"),
  };
  const none = { integerProduct: undefined, denseStep: undefined };
  const unset = requested === undefined;
  const candidates = [
    { workers, ...library },
    ...integerProduct === undefined && denseStep === undefined ? [{ workers, ...none }] : [],
    ...unset && !integerProduct && !denseStep ? [{ workers: 0, ...none }] : [],
  ];
  let failure: unknown;
  for (const { workers, ...modules } of candidates) {
    const setup = { ...shared, ...modules };
    try {
      const pool = workers === 0 ? await callingThread(setup) : await idlingWorkers(workers, setup);
      return { workers, setup, pool };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

// Nothing is bound, so that buffers may have any size. Smaller limits are for tests.
function limitsOf(wanted: Partial<Device["limits"]> = {}): Device["limits"] {
  const limits: Device["limits"] = {
    maxStorageBufferBindingSize: 2 ** 32,
    maxBufferSize: 2 ** 32,
    maxComputeWorkgroupsPerDimension: 65535,
  };
  for (const [key, value] of Object.entries(wanted)) {
    checkWhole(value, `limits.${key}`);
    limits[key as keyof Device["limits"]] = value;
  }
  return limits;
}

// In browsers the calling thread does the work: a page that is not cross-origin isolated has no shared
// memory, and a bundle has no URL of the workers' module.
function defaultWorkers(): number {
  return "Deno" in globalThis ? navigator.hardwareConcurrency : 0;
}

// URL of the module with ONNX Runtime's products.
function moduleOf(requested: string | false | undefined, name: string): string | undefined {
  if (requested !== undefined) return requested || undefined;
  const url = new URL(`../language_model/${name}.ts`, import.meta.url);
  return "Deno" in globalThis ? url.href : undefined;
}

/** Setup of each thread: the memory, whether to use SIMD, and URLs of modules. */
export interface ThreadSetup {
  memory: Memory;
  simd: boolean;
  integerProduct: string | undefined;
  denseStep: string | undefined;
}

// Milliseconds of work on the calling thread after which the event loop runs: promises alone would
// block Ctrl-C, clicks and timers until all work is done.
const YIELD_AFTER = 50;

async function callingThread(setup: ThreadSetup): Promise<WorkerPool> {
  const thread: Thread = await createThread({
    ...setup,
    index: 0,
    count: 1,
  });
  let turn = performance.now();
  return {
    async run(stages) {
      if (performance.now() - turn > YIELD_AFTER) {
        await new Promise((resolve) => setTimeout(resolve));
        turn = performance.now();
      }
      return runStages(thread, stages);
    },
    end() {},
  };
}

// Workers keep a process alive. They end after 3 s without work, so that a script that does not dispose
// of its device ends; starting them again takes 0.1 to 0.2 s.
const IDLE_TIMEOUT = 3000;

/** Workers that end after an idle time and are started again for new work. */
async function idlingWorkers(count: number, setup: ThreadSetup): Promise<WorkerPool> {
  let pool: WorkerPool | undefined = await startWorkers(count, setup);
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const startTimer = () => {
    if (ended) return;
    timer = setTimeout(() => {
      pool?.end();
      pool = undefined;
    }, IDLE_TIMEOUT);
  };
  startTimer();
  return {
    async run(stages) {
      clearTimeout(timer);
      try {
        pool ??= await startWorkers(count, setup);
        if (ended) pool.end();
        return await pool.run(stages);
      } finally {
        startTimer();
      }
    },
    end() {
      ended = true;
      clearTimeout(timer);
      pool?.end();
    },
  };
}

async function startWorkers(count: number, setup: ThreadSetup): Promise<WorkerPool> {
  const control = new Int32Array(new SharedArrayBuffer(64));
  const url = new URL("../sae/worker.ts", import.meta.url);
  const workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
  // Ended workers do not reply: reject pending requests.
  let stop = (_: Error) => {};
  const ended = new Promise<never>((_, reject) => stop = reject);
  ended.catch(() => {});
  const ask = (message: (index: number) => unknown) => {
    const answers = workers.map((worker, index) =>
      new Promise<StageTimes>((resolve, reject) => {
        worker.onmessage = ({ data }) => data instanceof Error ? reject(data) : resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new DeviceError(`a worker of the CPU device failed: ${event.message}`));
        };
        worker.postMessage(message(index));
      })
    );
    return Promise.race([ended, Promise.all(answers).then(([times]) => times)]);
  };
  const end = () => {
    stop(new DeviceError("the device was used after it was disposed of"));
    for (const worker of workers) worker.terminate();
  };
  try {
    await ask((index) => ({ ...setup, index, count, control }));
  } catch (error) {
    end();
    throw error;
  }
  return {
    run(stages) {
      // Functions cannot be sent: workers find loops by their names.
      const sent = stages.map(({ loop: _, ...stage }) => stage);
      return ask(() => sent);
    },
    end,
  };
}
