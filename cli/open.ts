import { join } from "@std/path";
import { availableMemory } from "../lib/formats/available_memory.ts";
import { checkDisk, type KeptSae } from "../lib/formats/check_disk.ts";
import { findNamedModel } from "../lib/formats/find_named_model.ts";
import type { LoadSaeOptions, SaeCollection } from "../lib/formats/mod.ts";
import type { Dtype, ModelDevice } from "../lib/language_model/mod.ts";
import { ModelMissingError } from "../lib/language_model/model_files.ts";
import {
  type Device,
  DeviceLostError,
  type DeviceOptions,
  type LanguageModel,
  loadSae,
  openDevice,
  openLanguageModel,
  type Sae,
} from "../mod.ts";
import type { Session } from "./command.ts";
import { type Io, UsageError } from "./io.ts";
import type { Arguments, GivenOptions } from "./options.ts";
import { hubOptions, type Output } from "./output.ts";

/** The environment variable that chooses the device where no `--device` is given. */
export const DEVICE_VARIABLE = "SAEWING_DEVICE";

const KINDS = ["auto", "gpu", "cpu", "software"];

/**
 * Opens the device that the command line asks for: `--device` before the environment variable. On
 * the CPU the limit is most of the main memory that this process may still take.
 */
export async function openCommandDevice(options: Arguments, io: Io): Promise<Device> {
  const device = options.text("device") ?? io.env(DEVICE_VARIABLE) ?? "auto";
  if (!KINDS.includes(device)) {
    throw new UsageError(`the device is ${device}, expected auto, gpu, cpu or software`);
  }
  const kind = device as DeviceOptions["device"];
  const memoryLimit = Math.floor(availableMemory() * 0.9);
  const opened = await openDevice({ device: kind, memoryLimit, workers: io.workers });
  if (opened.software) return opened;
  opened[Symbol.dispose]();
  return await openDevice({ device: kind });
}

/** Opens the language model that `--model`, `--hook` and so on name, or else the defaults given. */
export async function openModel(
  options: Arguments,
  { output, signal }: Session,
  { model, hook, moreHooks, dtype = options.text("dtype"), besideTrainer = false }: {
    model?: string;
    hook?: string;
    moreHooks?: string[];
    dtype?: string;
    besideTrainer?: boolean;
  } = {},
): Promise<LanguageModel> {
  const id = model ?? options.required("model");
  output.progress({ phase: `opening ${id}`, done: 0 });
  try {
    const opened = await openLanguageModel(id, {
      hook: hook ?? options.required("hook"),
      moreHooks,
      dtype: dtype as Dtype | undefined,
      threads: besideTrainer ? Math.max(1, navigator.hardwareConcurrency - 1) : undefined,
      device: (options.text("model-device") ?? "cpu") as ModelDevice,
      revision: options.text("revision"),
      cacheDir: options.text("cache-dir"),
      signal,
      ...hubOptions(output),
    });
    const { device, reason, difference } = opened.place;
    if (reason !== undefined) output.say(`the model runs on the CPU: ${reason}`);
    else if (difference !== undefined) {
      output.say(
        `the model runs on ${device}, ${difference.toPrecision(2)} from the CPU (relative)`,
      );
    }
    for (const warning of opened.warnings) output.warn(warning, { model: id });
    return opened;
  } catch (error) {
    if (!(error instanceof ModelMissingError)) throw error;
    throw new Error(`${error.message}. give --model: a folder, or a hub id`, {
      cause: error,
    });
  }
}

/** Loads an SAE by its folder, file or hub id. */
export async function openSae(
  folder: string,
  options: Arguments,
  { output, signal }: Session,
): Promise<Sae> {
  output.progress({ phase: `loading ${folder}`, done: 0 });
  return await loadSae(folder, {
    ...saeOptions(folder, options, output),
    cacheDir: options.text("cache-dir"),
    ...hubOptions(output),
    signal,
  });
}

/**
 * Options of `loadSae` in every command: transform and scale of activations, where given, and where notes are
 * printed.
 */
export function saeOptions(
  sae: string,
  options: Arguments,
  output: Output,
): Pick<LoadSaeOptions, "inputTransform" | "inputScale" | "onNote"> {
  return {
    inputTransform: options.text("input-transform") as LoadSaeOptions["inputTransform"],
    inputScale: options.number("input-scale"),
    onNote: (note) => output.warn(`${sae}: ${note}`, { sae, note }),
  };
}

/**
 * Model, hook and context from an SAE's config, or from its collection: defaults of options that are not
 * given. None with a store, which has its own.
 *
 * @param folder The SAE's: a model's path may be relative to it.
 */
export function saeSource(
  given: Arguments,
  { metadata }: Sae,
  folder: string,
  collection?: SaeCollection,
): GivenOptions {
  if (given.text("activations") !== undefined) return {};
  const { contextSize } = metadata;
  const { model = metadata.model, hook = metadata.hook } = collection ?? {};
  return {
    ...(typeof model === "string" ? { model: [findNamedModel(model, folder)] } : {}),
    ...(typeof hook === "string" ? { hook: [hook] } : {}),
    ...(typeof contextSize === "number" ? { context: [String(contextSize)] } : {}),
  };
}

/** The SAE of a path: a run's folder stands for the SAE that it has trained. */
export async function saePath(path: string): Promise<string> {
  const isThere = (name: string) => Deno.stat(join(path, name)).then(() => true, () => false);
  const isRun = await isThere("config.json") && await isThere("sae") && !await isThere("cfg.json");
  return isRun ? join(path, "sae") : path;
}

/** Options whose values are paths that a command reads. */
const INPUTS = [
  ...[
    "text",
    "eval-text",
    "activations",
    "initial",
    "model",
    "grid",
    "meta",
    "compare",
    "also",
    "with",
    "labels",
    "dashboards",
  ],
];

/** The paths of a command's inputs, as far as known; globs and hub ids included. */
export function inputPaths(options: Arguments): string[] {
  return INPUTS.flatMap((name) => options.texts(name));
}

/**
 * Does work on a GPU. If the device is lost, it is opened again and the work repeated from the
 * run's last checkpoint. A second loss without a step in between is an error.
 *
 * @param open Opens the GPU.
 * @param steps Steps of the run's last checkpoint.
 * @param say Reports what happened.
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
      say(`${error.message}. It is opened again, and the run continues after step ${kept}`);
    }
  }
}

/**
 * Checks that SAEs and their checkpoints fit on the disk of a folder.
 *
 * @throws {Error} They do not fit; the message says what to do.
 */
export async function checkSpace(
  folder: string,
  saes: KeptSae[],
  keepsCheckpoints: boolean,
): Promise<void> {
  const ways = ["another --out", "fewer latents"];
  if (keepsCheckpoints) ways.push("--checkpoint-every 0");
  await checkDisk(folder, saes, keepsCheckpoints, ways);
}
