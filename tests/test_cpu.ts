// The CPU device of tests: threads are started once per file.
import { type Cpu, type OpenedCpu, startThreads, useCpu } from "../lib/device/cpu.ts";
import type { CpuStage } from "../lib/device/cpu_stage.ts";
import type { DeviceOptions } from "../lib/device/device.ts";

const threads = new Map<string, Promise<OpenedCpu & { idle(): Promise<void> }>>();

/**
 * Opens the CPU device for one test after the other: with its own memory count and limits, on threads that stay
 * for the file's next test, since starting two workers takes 0.13 s. Tests of threads that fail or end use
 * `openCpu` of lib/device/cpu.ts instead.
 */
export async function openTestCpu(options: DeviceOptions = {}): Promise<Cpu> {
  const { workers = 2, simd, integerProduct, denseStep } = options;
  const ways = { workers, simd, integerProduct, denseStep };
  const key = JSON.stringify(ways);
  if (!threads.has(key)) threads.set(key, startThreads(ways).then(oneAfterTheOther));
  const opened = await threads.get(key)!;
  // Work that a test left unfinished may still write.
  await opened.idle();
  return useCpu(opened, options);
}

/** Threads that may have several users: all stages of one run before those of the next. */
function oneAfterTheOther(opened: OpenedCpu) {
  let last: Promise<unknown> = Promise.resolve();
  const run = (stages: CpuStage[]) => {
    const ran = last.then(() => opened.pool.run(stages));
    last = ran.catch(() => {});
    return ran;
  };
  addEventListener("unload", () => opened.pool.end());
  return {
    ...opened,
    pool: { ...opened.pool, run },
    idle: () => last.then(() => {}),
  };
}
