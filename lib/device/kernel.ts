import {
  type Bindings,
  type Fields,
  type Kernel,
  layOut,
  type Values,
} from "../../kernels/define.ts";
import type { BufferSet, DeviceBuffer } from "./buffer.ts";
import { DeviceError } from "./errors.ts";
import { type Gpu, throwIfLost } from "./gpu.ts";

/** Records a dispatch into a compute pass; it can be recorded any number of times. */
export type Operation = (pass: GPUComputePassEncoder) => void;

/**
 * Compiles WGSL with the entry point `main`; the same source is compiled once per device.
 *
 * @throws {DeviceError} The source does not compile: the message names the kernel and prints the lines.
 */
export function compileKernel(gpu: Gpu, label: string, code: string): Promise<GPUComputePipeline> {
  let kernel = gpu.kernels.get(code);
  if (!kernel) {
    kernel = compile(gpu, label, code);
    gpu.kernels.set(code, kernel);
  }
  return kernel;
}

async function compile(gpu: Gpu, label: string, code: string): Promise<GPUComputePipeline> {
  gpu.check();
  gpu.device.pushErrorScope("validation");
  const module = gpu.device.createShaderModule({ label, code });
  const pipeline = gpu.device.createComputePipeline({ label, layout: "auto", compute: { module } });
  // Nothing is awaited while the scope is open: another kernel's errors would land in it.
  const scope = gpu.device.popErrorScope();
  const [{ messages }, invalid] = await Promise.all([module.getCompilationInfo(), scope]);
  const error = messages.find((message) => message.type === "error");
  if (error || invalid) await throwIfLost(gpu);
  if (error) throw new DeviceError(`kernel ${label} does not compile: ${describe(code, error)}`);
  if (invalid) throw new DeviceError(`kernel ${label} is not valid: ${invalid.message}`);
  return pipeline;
}

function describe(code: string, error: GPUCompilationMessage): string {
  // After its first line Deno's message prints the source; the reasons follow "^^^" and "=".
  const [title, ...rest] = error.message.trim().split("\n");
  const reasons = rest.flatMap((line) => /^\s*(?:│\s+\^+|=)\s+(.+)$/.exec(line)?.[1] ?? []);
  const message = [title, ...reasons].join("; ");
  if (error.lineNum === 0) return message;
  const lines = code.split("\n");
  const from = Math.max(0, error.lineNum - 3);
  const shown = lines.slice(from, error.lineNum + 2).map((line, at) => {
    const number = from + at + 1;
    return `${number === error.lineNum ? ">" : " "} ${String(number).padStart(4)} ${line}`;
  });
  return `line ${error.lineNum}: ${message}\n${shown.join("\n")}`;
}

/** A range of a buffer, in bytes. */
export interface BufferRange {
  /** The buffer. */
  buffer: DeviceBuffer;
  /** First byte (default 0). */
  offset?: number;
  /** How many bytes. */
  size: number;
}

/** A buffer that is bound, as a whole or a range of it. */
export type BufferBinding = DeviceBuffer | BufferRange;

interface BoundAs {
  buffer: BufferBinding;
  buffers: readonly BufferBinding[];
  texture: GPUTextureView;
}

/**
 * The resources bound to a kernel's bindings, by name. An unused binding is absent; where that is known
 * at run time only, it is `undefined`.
 */
export type Bound<B extends Bindings> = {
  readonly [Name in keyof B as B[Name]["used"] extends false ? never : Name]:
    | BoundAs[B[Name]["kind"]]
    | (B[Name]["used"] extends true ? never : undefined);
};

/** Arguments of a kernel. */
export interface Work<S extends Fields, B extends Bindings> {
  /** The fields of the uniform `sizes`. */
  readonly sizes: Values<S>;
  /** The bound resources. */
  readonly bind: Bound<B>;
  /**
   * Number of workgroups. Above the device's limit of one dimension they are spread over two. A buffer
   * in place of a number holds {x, y, z} when the kernel starts (indirect dispatch).
   */
  readonly workgroups: number | DeviceBuffer | DispatchAt;
}

/** Position of the {x, y, z} of an indirect dispatch. */
export interface DispatchAt {
  /** The buffer. */
  buffer: DeviceBuffer;
  /** Offset in bytes. */
  offset: number;
}

/**
 * Compiles a kernel and binds it; the uniform with its sizes is added to `buffers`. Whole buffers are
 * checked against the device's limit, ranges are not.
 *
 * @throws {DeviceError} The kernel is not valid, or a binding is missing, unknown or too large.
 */
export async function createOperation<S extends Fields, B extends Bindings>(
  gpu: Gpu,
  buffers: BufferSet,
  kernel: Kernel<S, B>,
  { sizes, bind, workgroups }: NoInfer<Work<S, B>>,
): Promise<Operation> {
  const { label } = kernel;
  const pipeline = await compileKernel(gpu, label, kernel.code);
  const resources = boundInOrder(kernel, bind);
  if (Object.keys(kernel.sizes).length > 0) {
    const name = `${label} sizes`;
    resources.unshift(buffers.uniform(name, layOut(name, kernel.sizes, sizes)));
  }
  const entries = resources.map((bound, binding) => {
    if (!(bound instanceof GPUBuffer)) return { binding, resource: checkBound(label, bound) };
    if (bound.size > gpu.limits.maxStorageBufferBindingSize) {
      throw new DeviceError(
        `${label}: ${bound.label} has ${bound.size} bytes, this device binds at most ` +
          `${gpu.limits.maxStorageBufferBindingSize}`,
      );
    }
    return { binding, resource: { buffer: bound } };
  });
  const group = gpu.device.createBindGroup({
    label,
    layout: pipeline.getBindGroupLayout(0),
    entries,
  });
  if (typeof workgroups === "number") {
    const [x, y] = spreadWorkgroups(gpu, workgroups);
    return (pass) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y);
    };
  }
  const { buffer, offset } = "buffer" in workgroups
    ? workgroups
    : { buffer: workgroups, offset: 0 };
  return (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroupsIndirect(buffer as GPUBuffer, offset);
  };
}

type Resource = BufferBinding | GPUTextureView;

// Also checked by the types, unless there is a cast or `any`.
function boundInOrder({ label, bind }: Kernel, bound: Readonly<Record<string, unknown>>) {
  for (const [name, value] of Object.entries(bound)) {
    if (value !== undefined && !bind[name]?.used) {
      throw new DeviceError(`${label} has no binding ${name}`);
    }
  }
  return Object.entries(bind).filter(([, { used }]) => used).flatMap(([name, { kind, count }]) => {
    const value = bound[name] as Resource | Resource[] | undefined;
    if (value === undefined) throw new DeviceError(`${label}: binding ${name} is missing`);
    const all = kind === "buffers" ? value as Resource[] : [value as Resource];
    if (all.length === count) return all;
    throw new DeviceError(`${label}: binding ${name} has ${all.length} buffers, expected ${count}`);
  });
}

/** A number of workgroups as [x, y]: over two dimensions above the limit of one. */
export function spreadWorkgroups(
  { limits }: Pick<Gpu, "limits">,
  workgroups: number,
): [number, number] {
  const limit = limits.maxComputeWorkgroupsPerDimension;
  if (workgroups <= limit) return [workgroups, 1];
  const y = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / y), y];
}

function checkBound(label: string, bound: Resource): GPUBindingResource {
  if ("offset" in bound && !("buffer" in bound)) {
    throw new DeviceError(
      `${label}: ${bound.label} is in the CPU's memory, expected one on the GPU`,
    );
  }
  return bound as GPUBindingResource;
}
