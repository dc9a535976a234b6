import { openDevice } from "../device/device.ts";

/** Where a model may run: "auto" is ONNX Runtime's WebGPU where there is a hardware GPU, else the CPU. */
export type ModelDevice = "auto" | "cpu" | "webgpu" | "cuda" | "coreml" | "dml";

/** Where a model runs. */
export interface ModelPlace {
  /** ONNX Runtime's execution provider. */
  device: string;
  /** Why it is the CPU, where another place was looked for. */
  reason?: string;
  /** How far activations of a row are from the CPU's, ‖x − x_cpu‖ / ‖x_cpu‖; not for the CPU itself. */
  difference?: number;
}

const devices = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml"];

// Sums in another order differ by 1e-6 in float32, by 1e-3 in half precision.
const largestDifference = 1e-2;

/** @throws {RangeError} The device is none of those that are known. */
export function checkModelDevice(device: string): void {
  if (devices.includes(device)) return;
  throw new RangeError(`the model's device is ${device}, expected one of ${devices.join(", ")}`);
}

/**
 * Chooses where a model runs, and compares its activations there with the CPU's.
 *
 * @param device What is asked for.
 * @param values Runs the model on a device, always on the same tokens.
 * @param findGpu Rejects, with the reason, where there is no hardware GPU.
 * @throws Error where a device that was asked for by name does not run the model, or gives something
 * else than the CPU.
 */
export async function choosePlace(
  device: string,
  values: (device: string) => Promise<Float32Array>,
  findGpu: () => Promise<void> = findHardwareGpu,
): Promise<ModelPlace> {
  checkModelDevice(device);
  if (device === "cpu") return { device };
  const wanted = device === "auto" ? "webgpu" : device;
  let difference: number | undefined;
  try {
    if (device === "auto") await findGpu();
    const found = await values(wanted);
    difference = relativeDifference(found, await values("cpu"));
    if (difference <= largestDifference) return { device: wanted, difference };
    throw new Error(`activations on ${wanted} are off the CPU's by ${difference.toPrecision(2)}`);
  } catch (error) {
    if (device !== "auto") throw error;
    const reason = (error as Error).message.split("\n")[0];
    return { device: "cpu", reason, ...difference !== undefined && { difference } };
  }
}

async function findHardwareGpu(): Promise<void> {
  const gpu = await openDevice({ device: "gpu" });
  gpu[Symbol.dispose]();
}

/** ‖a − b‖ / ‖b‖; NaN where a number is. */
function relativeDifference(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
