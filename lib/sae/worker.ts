// A worker of the CPU device: runs its share of every stage. Loops are those of all operations, and those
// that only one architecture has.
import {
  type CpuStage,
  createThread,
  runStages,
  type Thread,
  type ThreadOptions,
  updateLength,
} from "../device/cpu_stage.ts";
import { findLoop } from "../ops/loops.ts";
import { architectureOf, ARCHITECTURES } from "./architectures/registry.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ThreadOptions | CpuStage[]>) => void;
  postMessage(answer: unknown): void;
};
let thread: Thread | undefined;

const own = ARCHITECTURES.flatMap((name) => architectureOf(name).loops ?? []);
const find = (name: string) => findLoop(name) ?? own.find((loop) => loop.name === name);

scope.onmessage = async ({ data }) => {
  try {
    if (!Array.isArray(data)) thread = await createThread(data);
    let times = {};
    if (Array.isArray(data)) {
      // It may have grown between this thread's start and the loading of its loops.
      updateLength(thread!.memory);
      times = runStages(thread!, data, find);
    }
    scope.postMessage(times);
  } catch (error) {
    scope.postMessage(error);
  }
};
