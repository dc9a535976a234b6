// A worker of the CPU device: runs its share of every stage.
import {
  type CpuStage,
  createThread,
  runStages,
  type Thread,
  type ThreadOptions,
} from "../device/cpu_stage.ts";
import { findLoop } from "./loops.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ThreadOptions | CpuStage[]>) => void;
  postMessage(answer: unknown): void;
};
let thread: Thread | undefined;

scope.onmessage = async ({ data }) => {
  try {
    if (!Array.isArray(data)) thread = await createThread(data);
    const times = Array.isArray(data) ? await runStages(thread!, data, findLoop) : {};
    scope.postMessage(times);
  } catch (error) {
    scope.postMessage(error);
  }
};
