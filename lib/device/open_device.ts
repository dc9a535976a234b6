import { openCpu } from "./cpu.ts";
import type { Device, DeviceOptions } from "./device.ts";
import { DeviceError } from "./errors.ts";
import { hasHardwareGpu, openGpu } from "./gpu.ts";

/**
 * Opens a device: a hardware GPU where there is one, else the CPU.
 *
 * @returns The open device; dispose of it with `using`.
 * @throws {DeviceError} The requested device is not available: the message says what to install.
 * @throws {RangeError} An option is out of range.
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const wanted = options.device ?? "auto";
  if (wanted === "gpu") return await openGpu("hardware", options);
  if (wanted === "software") return await openGpu("software", options);
  if (wanted === "cpu") return await openCpu(options);
  if (wanted !== "auto") {
    throw new DeviceError(
      `the device is ${JSON.stringify(wanted)}, expected "auto", "gpu", "cpu" or "software"`,
    );
  }
  return await hasHardwareGpu() ? await openGpu("hardware", options) : await openCpu(options);
}
