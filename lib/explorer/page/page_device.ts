import type { DeviceOptions } from "../../device/device.ts";

/** Devices of a page: "software" runs WebGPU's kernels without a GPU, for tests. */
export type PageDevice = "auto" | "gpu" | "cpu" | "software";

/** The device that an address names; "auto", a GPU where there is one, where it names none. */
export function namedDevice(query: URLSearchParams): PageDevice {
  const name = query.get("device");
  return name === "gpu" || name === "cpu" || name === "software" ? name : "auto";
}

/** Options of a device in a page: one thread, and no library's products, so that the bits are Deno's. */
export function pageDevice(device: PageDevice): DeviceOptions {
  return { device, workers: 0, integerProduct: false, denseStep: false };
}
