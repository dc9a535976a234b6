import type { Bindings, Fields, Kernel } from "../../kernels/define.ts";
import { type BufferSet, createBuffers, type DeviceBuffer } from "./buffer.ts";
import { type Cpu, isCpu } from "./cpu.ts";
import type { CpuStage, Loop, Range, Ranges, ViewName } from "./cpu_stage.ts";
import type { Device } from "./device.ts";
import { DeviceError } from "./errors.ts";
import type { Gpu } from "./gpu.ts";
import { createOperation, type Operation, type Work } from "./kernel.ts";

/** A stage of a program: a dispatch on a GPU, a loop on the CPU. */
export type Stage = Operation | CpuStage;

/**
 * A list of stages under construction, and their buffers. Operations (lib/ops) append kernels where the
 * device is a GPU, loops where it is the CPU.
 */
export interface Program {
  /** The device that it runs on. */
  readonly device: Device;
  /** Its buffers; operations allocate their scratch buffers here too. */
  readonly buffers: BufferSet;
  /** Appends a kernel with its sizes, bindings and number of workgroups. */
  kernel<S extends Fields, B extends Bindings>(
    kernel: Kernel<S, B>,
    work: NoInfer<Work<S, B>>,
  ): void;
  /**
   * Appends a loop over `items` work items, which threads take `grain` at a time (default: an eighth of
   * a thread's share).
   */
  loop<A>(loop: Loop<A>, args: Ranges<A>, items: number, grain?: number): void;
  /** Appends the stages that `body` appends; they are skipped unless `flag` is `value` (CPU). */
  when<T>(flag: DeviceBuffer, value: number, body: () => T): T;
  /** Position of the next stage, for `repeat`. */
  mark(): number;
  /** Repeats the loops since `mark` until `flag` is 1 at their end. */
  repeat(mark: number, flag: Range<"u32">): void;
  /** The stages so far, compiled. */
  stages(): Promise<Stage[]>;
}

/** Starts a program; `buffers` (default: a new set) belong to the caller. */
export function createProgram(device: Device, buffers: BufferSet = createBuffers(device)): Program {
  const ready: Stage[] = [];
  let condition: CpuStage["when"];
  const pending: (() => Stage | Promise<Stage>)[] = [];
  return {
    device,
    buffers,
    kernel(kernel, work) {
      pending.push(() => createOperation(device as Gpu, buffers, kernel, work));
    },
    loop(loop, args, items, grain) {
      const threads = (device as Cpu).threads;
      const stage = {
        name: loop.name,
        loop: loop as Loop<never>,
        args: args as Record<string, unknown>,
        items,
        ...condition ? { when: condition } : {},
        grain: grain ?? Math.max(1, Math.ceil(items / threads / 8)),
      };
      pending.push(() => stage);
    },
    when(flag, value, body) {
      const before = condition;
      condition = { flag: u32(flag), value };
      const result = body();
      condition = before;
      return result;
    },
    mark: () => ready.length + pending.length,
    repeat(mark, flag) {
      const last = pending.pop()!;
      const back = ready.length + pending.length - mark;
      pending.push(() => ({ ...(last() as CpuStage), repeat: { flag, back } }));
    },
    async stages() {
      // Sequentially: if one fails, no other may bind buffers that are already freed.
      for (const make of pending.splice(0)) ready.push(await make());
      return [...ready];
    },
  };
}

/**
 * Runs stages in order: one submission on a GPU, one call of the workers on the CPU. `clear` buffers
 * are zeroed first. It returns without waiting.
 *
 * @throws {DeviceError} The device reported an error in earlier work.
 */
export function submit(device: Device, stages: Stage[], clear: DeviceBuffer[] = []): void {
  device.check();
  if (isCpu(device)) {
    const work = stages as CpuStage[];
    device.enqueue(() => {
      for (const buffer of clear) {
        const { offset, length } = u32(buffer);
        new Uint32Array(device.memory.wasm.buffer, offset, length).fill(0);
      }
      return device.run(work);
    });
    return;
  }
  const gpu = (device as Gpu).device;
  const encoder = gpu.createCommandEncoder();
  for (const buffer of clear) encoder.clearBuffer(buffer as GPUBuffer);
  const pass = encoder.beginComputePass();
  for (const operation of stages as Operation[]) operation(pass);
  pass.end();
  gpu.queue.submit([encoder.finish()]);
}

const range = <V extends ViewName>(view: V, bytes: number) => (buffer: DeviceBuffer): Range<V> => {
  if (!("offset" in buffer)) {
    throw new DeviceError(`${buffer.label} is on a GPU, expected a buffer of the CPU device`);
  }
  return { view, offset: buffer.offset, length: buffer.size / bytes };
};

/** A buffer of the CPU as float32 numbers, for a loop. */
export const f32: (buffer: DeviceBuffer) => Range<"f32"> = range("f32", 4);
/** A buffer of the CPU as uint32 numbers, for a loop. */
export const u32: (buffer: DeviceBuffer) => Range<"u32"> = range("u32", 4);
/** A buffer of the CPU as int32 numbers, for a loop. */
export const i32: (buffer: DeviceBuffer) => Range<"i32"> = range("i32", 4);
/** A buffer of the CPU as uint8 numbers, for a loop. */
export const u8: (buffer: DeviceBuffer) => Range<"u8"> = range("u8", 1);
/** A buffer of the CPU as int8 numbers, for a loop. */
export const i8: (buffer: DeviceBuffer) => Range<"i8"> = range("i8", 1);
