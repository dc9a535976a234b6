import { availableMemory } from "../lib/formats/available_memory.ts";
import { type Device, type DeviceOptions, openDevice } from "../mod.ts";
import { UsageError } from "./command.ts";

/** The environment variable that chooses the device where no `--device` is given. */
export const DEVICE_VARIABLE = "SAEWING_DEVICE";

const KINDS = ["auto", "gpu", "cpu", "software"];

/**
 * Opens the device that the command line asks for: `--device` before the environment variable. Where
 * the processor does the work, most of the main memory that this process may still take is the limit.
 */
export async function openCommandDevice(asked: string | undefined): Promise<Device> {
  const device = asked ?? Deno.env.get(DEVICE_VARIABLE) ?? "auto";
  if (!KINDS.includes(device)) {
    throw new UsageError(`the device is ${device}, expected auto, gpu, cpu or software`);
  }
  const options = { device: device as DeviceOptions["device"] };
  const memoryLimit = Math.floor(availableMemory() * 0.9);
  const opened = await openDevice({ ...options, memoryLimit });
  if (opened.software) return opened;
  opened[Symbol.dispose]();
  return await openDevice(options);
}
