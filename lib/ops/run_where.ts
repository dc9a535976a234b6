import type { Bindings, Fields, Kernel } from "../../kernels/define.ts";
import { startWhere } from "../../kernels/start_where.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { type DispatchAt, spreadWorkgroups, type Work } from "../device/kernel.ts";
import type { Program } from "../device/program.ts";

/** Workgroups by the value of a condition's word: `times` · ⌈word / `each`⌉. */
export type Times = (times: number, each: number) => DispatchAt;

/**
 * Appends kernels that a GPU runs only if word `at` of `flags` is not 0: they are dispatched with their
 * workgroups, or with none. The word is read once, before the first kernel, so that kernels may change it.
 * Their numbers of workgroups must not be indirect in another way.
 */
export function runWhere(
  p: Program,
  { flags, at }: { flags: DeviceBuffer; at: number },
  append: (p: Program, times: Times) => void,
): void {
  const work: { kernel: Kernel; work: Work<Fields, Bindings> }[] = [];
  const growing = new Map<unknown, [number, number]>();
  const times: Times = (count, each) => {
    const marker = { buffer: flags, offset: -1 };
    growing.set(marker, [count, each]);
    return marker;
  };
  const kernel: Program["kernel"] = (kernel, own) => {
    work.push({ kernel: kernel as Kernel, work: own as Work<Fields, Bindings> });
  };
  append({ ...p, kernel }, times);
  if (work.length === 0) return;
  const full = work.flatMap(({ kernel: { label }, work: { workgroups } }) => {
    const grows = growing.get(workgroups);
    if (grows) return [0, 0, ...grows];
    if (typeof workgroups === "number") return [...spreadWorkgroups(p.device, workgroups), 0, 0];
    throw new TypeError(
      `${label}: workgroups is a buffer, expected a number in work that may be skipped`,
    );
  });
  const dispatch = p.buffers.dispatch("conditional workgroups", work.length);
  p.kernel(startWhere(), {
    sizes: { count: work.length, at, most: p.device.limits.maxComputeWorkgroupsPerDimension },
    bind: { flags, full: p.buffers.from("workgroups", Uint32Array.from(full)), dispatch },
    workgroups: Math.ceil(work.length / 64),
  });
  for (const [index, { kernel, work: own }] of work.entries()) {
    p.kernel(kernel, { ...own, workgroups: { buffer: dispatch, offset: 12 * index } });
  }
}
