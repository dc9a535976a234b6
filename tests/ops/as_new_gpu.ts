import type { Gpu } from "../../lib/device/gpu.ts";

/** The GPU as a hardware adapter without any cached choice of screening, with other properties. */
export const asNew = (gpu: Gpu, more: PropertyDescriptorMap = {}): Gpu =>
  Object.create(gpu, {
    software: { value: false },
    screening: { value: undefined, writable: true },
    ...more,
  });
