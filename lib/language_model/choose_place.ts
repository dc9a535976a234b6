import { openDevice } from "../device/open_device.ts";

/**
 * Device of a language model (ONNX Runtime's execution provider). "auto" is "webgpu" where there is a
 * hardware GPU, else "cpu".
 */
export type ModelDevice = "auto" | "cpu" | "webgpu" | "cuda" | "coreml" | "dml";

/** The device that a model runs on, and why. */
export interface ModelPlace {
  /** ONNX Runtime's execution provider. */
  device: string;
  /** Why "auto" chose the CPU. */
  reason?: string;
  /** Relative difference of a row's activations from the CPU's, ‖x − x_cpu‖ / ‖x_cpu‖; absent on the CPU. */
  difference?: number;
}

const devices = ["auto", "cpu", "webgpu", "cuda", "coreml", "dml"];

// Another order of summation changes activations by 1e-6 in float32 and by 1e-3 in float16.
const largestDifference = 1e-2;

/** @throws {RangeError} The device is not one of {@linkcode ModelDevice}. */
export function checkModelDevice(device: string): void {
  if (devices.includes(device)) return;
  throw new RangeError(`the model's device is ${device}, expected one of ${devices.join(", ")}`);
}

/**
 * Chooses the device of a model and compares its activations with those of the CPU.
 *
 * @param device The requested device.
 * @param values Runs the model on a device, always on the same tokens.
 * @param findGpu Rejects, with the reason, where there is no hardware GPU.
 * @throws {Error} A device other than "auto" cannot run the model, or its activations differ from the
 * CPU's by more than 1e-2.
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
    throw new Error(
      `activations on ${wanted} differ from the CPU's by ${difference.toPrecision(2)} ` +
        `(relative), expected at most ${largestDifference}`,
    );
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

/** ‖a − b‖ / ‖b‖; NaN where a or b has a NaN. */
function relativeDifference(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
