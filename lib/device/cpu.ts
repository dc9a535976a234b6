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
  /** The memory that all buffers lie in. */
  readonly memory: CpuMemory;
  /** Enqueues work, to run after earlier work. A failure is thrown by the next `check`. */
  enqueue(work: () => void | Promise<void>): void;
  /** Whether work is pending. */
  readonly busy: boolean;
  /** Resolves when all work enqueued so far is done. */
  settled(): Promise<void>;
  /** Runs stages one after the other, each shared by all threads. */
  run(stages: CpuStage[]): Promise<void>;
  /** Whether a library's dense products are there. */
  readonly denseStep: boolean;
  /** Milliseconds of all stages so far, on the first thread. */
  readonly times: StageTimes;
}

/** Whether a device is the processor. */
export const isCpu = (device: Device): device is Cpu => device.kind === "cpu";

/** Threads of a CPU device. */
export const threadsOf = (device: Device): number => isCpu(device) ? device.threads : 1;

/** One worker with its answers. */
export interface Crew {
  run(stages: CpuStage[]): Promise<StageTimes>;
  end(): void;
}

/** Threads and their memory, which outlive what works on them. */
export interface OpenedCpu {
  /** How many workers, 0 for the calling thread. */
  readonly workers: number;
  /** The memory that all buffers lie in. */
  readonly memory: CpuMemory;
  /** What each thread was given. */
  readonly given: Given;
  /** Whoever runs the stages. */
  readonly crew: Crew;
}

/**
 * Opens the processor as a device.
 *
 * @throws {RangeError} `workers` is not a whole number from 0 to 256, or a limit not above 0.
 */
export async function openCpu(options: DeviceOptions): Promise<Cpu> {
  const opened = await startThreads(options);
  return useCpu(opened, options, () => opened.crew.end());
}

/**
 * Starts the threads of a CPU device and makes their memory.
 *
 * @throws {RangeError} `workers` is no whole number from 0 to 256.
 */
export async function startThreads(options: DeviceOptions): Promise<OpenedCpu> {
  const wanted = options.workers ?? defaultWorkers();
  checkWhole(wanted, "workers", 0, 256);
  const memory = createMemory();
  const { simd = true } = options;
  return { memory, ...await openThreads(options, wanted, { memory: memory.wasm, simd }) };
}

/**
 * Works on threads that are started already, with limits, a count of memory and an end of its own. One user
 * at a time: stages of two would be mixed.
 *
 * @param end Ends the threads, where nobody else works on them.
 * @throws {RangeError} A limit is no whole number above 0.
 */
export function useCpu(
  { workers, memory, given, crew }: OpenedCpu,
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
    denseStep: given.denseStep !== undefined,
    name: `CPU (${Math.max(1, workers)} thread${workers > 1 ? "s" : ""}${
      given.simd && "WebAssembly" in globalThis ? ", SIMD" : ""
    }${given.integerProduct ? ", ONNX Runtime" : ""})`,
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
      for (const [name, took] of Object.entries(await crew.run(stages))) {
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
 * Starts the threads. Where nothing was asked for, a script without permission to read our modules or to load ONNX
 * Runtime gets workers without it, or the calling thread.
 */
async function openThreads(
  { workers: asked, integerProduct, denseStep }: DeviceOptions,
  workers: number,
  shared: Pick<Given, "memory" | "simd">,
): Promise<{ workers: number; given: Given; crew: Crew }> {
  const library = {
    integerProduct: moduleOf(integerProduct, "integer_product"),
    denseStep: moduleOf(denseStep === true ? undefined : denseStep, "dense_step"),
  };
  const none = { integerProduct: undefined, denseStep: undefined };
  const free = asked === undefined;
  const ways = [
    { workers, ...library },
    ...integerProduct === undefined && denseStep === undefined ? [{ workers, ...none }] : [],
    ...free && !integerProduct && !denseStep ? [{ workers: 0, ...none }] : [],
  ];
  let failure: unknown;
  for (const { workers, ...modules } of ways) {
    const given = { ...shared, ...modules };
    try {
      const crew = workers === 0 ? await ownThread(given) : await restingWorkers(workers, given);
      return { workers, given, crew };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

// Buffers may be of any size, since nothing is bound. The limits can be made smaller, for tests.
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

// A page that is not cross-origin isolated has no shared memory; workers also need the URL of their
// module, which a bundle lacks: there the calling thread does the work.
function defaultWorkers(): number {
  return "Deno" in globalThis ? navigator.hardwareConcurrency : 0;
}

// ONNX Runtime's products, where it is there.
function moduleOf(asked: string | false | undefined, name: string): string | undefined {
  if (asked !== undefined) return asked || undefined;
  const url = new URL(`../language_model/${name}.ts`, import.meta.url);
  return "Deno" in globalThis ? url.href : undefined;
}

/** What each thread is given: the memory, whether it takes SIMD, and addresses of modules. */
export interface Given {
  memory: Memory;
  simd: boolean;
  integerProduct: string | undefined;
  denseStep: string | undefined;
}

// Promises alone keep Ctrl-C, a click or a timer waiting until all is done: after so many milliseconds of work
// on the calling thread they have their turn.
const TURN_AFTER = 50;

async function ownThread(given: Given): Promise<Crew> {
  const thread: Thread = await createThread({
    ...given,
    index: 0,
    count: 1,
  });
  let turn = performance.now();
  return {
    async run(stages) {
      if (performance.now() - turn > TURN_AFTER) {
        await new Promise((resolve) => setTimeout(resolve));
        turn = performance.now();
      }
      return runStages(thread, stages);
    },
    end() {},
  };
}

// Workers keep a script alive. They end after 3 s without work, so that a script that forgot to dispose of
// its device still ends; starting them again takes 0.1 to 0.2 s.
const REST_AFTER = 3000;

/** Workers that end after some idle time, and are started again for new work. */
async function restingWorkers(count: number, given: Given): Promise<Crew> {
  let crew: Crew | undefined = await startWorkers(count, given);
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = () => {
    if (ended) return;
    timer = setTimeout(() => {
      crew?.end();
      crew = undefined;
    }, REST_AFTER);
  };
  rest();
  return {
    async run(stages) {
      clearTimeout(timer);
      try {
        crew ??= await startWorkers(count, given);
        if (ended) crew.end();
        return await crew.run(stages);
      } finally {
        rest();
      }
    },
    end() {
      ended = true;
      clearTimeout(timer);
      crew?.end();
    },
  };
}

async function startWorkers(count: number, given: Given): Promise<Crew> {
  const control = new Int32Array(new SharedArrayBuffer(64));
  const url = new URL("../sae/worker.ts", import.meta.url);
  const workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
  // Ended workers do not answer: reject what waits for them.
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
    await ask((index) => ({ ...given, index, count, control }));
  } catch (error) {
    end();
    throw error;
  }
  return {
    run(stages) {
      // Functions cannot be sent: workers find them by their names.
      const sent = stages.map(({ loop: _, ...stage }) => stage);
      return ask(() => sent);
    },
    end,
  };
}
