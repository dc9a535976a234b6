import type { Bindings, Fields, Kernel } from "../../kernels/define.ts";
import { startWhere } from "../../kernels/start_where.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { spreadWorkgroups, type Work } from "../device/kernel.ts";
import type { Program } from "../device/program.ts";

/**
 * Appends kernels that a GPU runs only where word `at` of `flags` is 1 when their turn comes: all of them
 * are started with as many workgroups as they have, or with none. They may change the word: it is read
 * once. What they start must not depend on the GPU already.
 */
export function runWhere(
  p: Program,
  { flags, at }: { flags: DeviceBuffer; at: number },
  append: (p: Program) => void,
): void {
  const work: { kernel: Kernel; work: Work<Fields, Bindings> }[] = [];
  append({
    ...p,
    kernel: (kernel, own) => {
      work.push({ kernel: kernel as Kernel, work: own as Work<Fields, Bindings> });
    },
  });
  if (work.length === 0) return;
  const full = work.flatMap(({ kernel, work: { workgroups } }) =>
    fullWork(p.device, kernel, workgroups)
  );
  const dispatch = p.buffers.dispatch("conditional workgroups", work.length);
  p.kernel(startWhere(), {
    sizes: { length: full.length, at },
    bind: { flags, full: p.buffers.from("workgroups", Uint32Array.from(full)), dispatch },
    workgroups: Math.ceil(full.length / 64),
  });
  for (const [index, { kernel, work: own }] of work.entries()) {
    p.kernel(kernel, { ...own, workgroups: { buffer: dispatch, offset: 12 * index } });
  }
}

function fullWork(
  device: Device,
  { label }: Kernel,
  workgroups: Work<Fields, Bindings>["workgroups"],
): number[] {
  if (typeof workgroups === "number") return [...spreadWorkgroups(device, workgroups), 1];
  throw new TypeError(`${label}: work that may be skipped has a number of workgroups`);
}
