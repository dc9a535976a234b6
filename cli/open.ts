import { dirname, isAbsolute, join, relative, resolve } from "@std/path";
import { existsSync } from "node:fs";
import { availableMemory } from "../lib/formats/available_memory.ts";
import { ModelMissingError } from "../lib/language_model/model_files.ts";
import {
  type Device,
  DeviceLostError,
  type DeviceOptions,
  type LanguageModel,
  openDevice,
  openLanguageModel,
} from "../mod.ts";
import type { Dtype } from "../lib/language_model/mod.ts";
import { UsageError } from "./command.ts";
import type { Io } from "./io.ts";
import type { Arguments } from "./options.ts";
import { downloadProgress, type Output } from "./output.ts";

/** The environment variable that chooses the device where no `--device` is given. */
export const DEVICE_VARIABLE = "SAEWING_DEVICE";

const KINDS = ["auto", "gpu", "cpu", "software"];

/**
 * Opens the device that the command line asks for: `--device` before the environment variable. Where
 * the processor does the work, most of the main memory that this process may still take is the limit.
 */
export async function openCommandDevice(options: Arguments, io: Io): Promise<Device> {
  const device = options.text("device") ?? io.env(DEVICE_VARIABLE) ?? "auto";
  if (!KINDS.includes(device)) {
    throw new UsageError(`the device is ${device}, expected auto, gpu, cpu or software`);
  }
  const kind = device as DeviceOptions["device"];
  const memoryLimit = Math.floor(availableMemory() * 0.9);
  const opened = await openDevice({ device: kind, memoryLimit });
  if (opened.software) return opened;
  opened[Symbol.dispose]();
  return await openDevice({ device: kind });
}

/** Opens the language model that `--model`, `--hook` and the like name, or else what is given. */
export async function openModel(
  options: Arguments,
  output: Output,
  { model, hook, dtype = options.text("dtype"), signal }: {
    model?: string;
    hook?: string;
    dtype?: string;
    signal?: AbortSignal;
  } = {},
): Promise<LanguageModel> {
  const id = model ?? options.required("model");
  try {
    const opened = await openLanguageModel(id, {
      hook: hook ?? options.required("hook"),
      dtype: dtype as Dtype | undefined,
      revision: options.text("revision"),
      cacheDir: options.text("cache-dir"),
      signal,
      onProgress: downloadProgress(output),
    });
    for (const warning of opened.warnings) output.warn(warning, { model: id });
    return opened;
  } catch (error) {
    if (!(error instanceof ModelMissingError)) throw error;
    throw new Error(`${error.message}. --model says where it is: a folder, or a hub id`, {
      cause: error,
    });
  }
}

/**
 * Where the model is that an SAE or a store names. A path in them is relative to the folder in which the
 * command ran that wrote them. Where there is none here, it is looked for from their own folder and each
 * folder above it; what is not found there either stays as it is, and may be a hub id.
 *
 * @param from The SAE's or the store's folder; a hub id has no folder.
 */
export function findNamedModel(model: string, from: string): string {
  if (isAbsolute(model) || isThere(model) || !isThere(from)) return model;
  for (let folder = resolve(from);; folder = dirname(folder)) {
    const path = join(folder, model);
    const isModel = path.endsWith(".onnx") ? isThere(path) : isThere(join(path, "config.json"));
    if (isModel) return relative(Deno.cwd(), path);
    if (folder === dirname(folder)) return model;
  }
}

/** Whether something is at a path. What may not be read is not there, and nobody is asked for leave. */
function isThere(path: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted" && existsSync(path);
}

/**
 * Does work on a GPU. Where its device is lost, another is opened and the work is done again, from
 * the run's last checkpoint. A device that is lost twice without a step in between ends it.
 *
 * @param open Opens the GPU.
 * @param steps Steps of the run's last checkpoint.
 * @param say Tells what happened.
 * @param work The work; it looks for a checkpoint itself.
 */
export async function onLastingGpu<T>(
  { open, steps, say }: {
    open: () => Promise<Device>;
    steps: () => Promise<number>;
    say: (text: string) => void;
  },
  work: (gpu: Device) => Promise<T>,
): Promise<T> {
  for (let before = -1;;) {
    using gpu = await open();
    try {
      return await work(gpu);
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      const kept = await steps();
      if (kept <= before) throw error;
      before = kept;
      say(`${error.message}. It is opened again, and the run goes on after step ${kept}`);
    }
  }
}
