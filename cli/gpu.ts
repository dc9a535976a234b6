import { availableMemory } from "../lib/formats/available_memory.ts";
import { type Gpu, openGpu } from "../mod.ts";
import { UsageError } from "./command.ts";

/** The environment variable that chooses the adapter where no `--adapter` is given. */
export const ADAPTER_VARIABLE = "SAEWING_ADAPTER";

/**
 * Opens the GPU as the command line asks: `--adapter` before the environment variable. On a software
 * adapter GPU memory is main memory, so most of what this process may still take of that is the limit.
 */
export async function openCommandGpu(adapter: string | undefined): Promise<Gpu> {
  const wanted = adapter ?? Deno.env.get(ADAPTER_VARIABLE) ?? "auto";
  if (wanted !== "auto" && wanted !== "hardware" && wanted !== "software") {
    throw new UsageError(`the adapter is ${wanted}, expected auto, hardware or software`);
  }
  const gpu = await openGpu({ adapter: wanted });
  if (!gpu.software) return gpu;
  gpu[Symbol.dispose]();
  const memoryLimit = Math.floor(availableMemory() * 0.9);
  return await openGpu({ adapter: wanted, memoryLimit });
}
