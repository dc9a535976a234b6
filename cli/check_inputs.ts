import { join } from "@std/path";
import { statfs } from "node:fs/promises";
import { formatBytes } from "../lib/device/describe.ts";
import { type LanguageModel, readDocuments } from "../mod.ts";
import { packTokenRows } from "../lib/language_model/mod.ts";
import type { Arguments } from "./options.ts";

/**
 * Reads as much of `--eval-text`, or another option's text, as fills one row, before any work is done for it.
 *
 * @throws {Error} A file is missing or cannot be read, its documents have no such field, or they do not fill a
 * row.
 */
export async function checkEvalText(
  options: Arguments,
  model: LanguageModel,
  contextLength: number,
  name = "eval-text",
): Promise<void> {
  const texts = readDocuments(options.texts(name), { field: options.text("field") });
  try {
    for await (const _ of packTokenRows(model, texts, { contextLength, maxRows: 1 })) break;
  } catch (error) {
    throw new Error(`--${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** What a run keeps of an SAE: its numbers, and in a checkpoint Adam's two moments of each as well. */
export interface KeptSae {
  /** Width d. */
  dModel: number;
  /** Number of latents m. */
  dictSize: number;
}

/** Bytes on disk of the weights, and of a checkpoint. */
export function savedBytes(
  { dModel: d, dictSize: m }: KeptSae,
): { sae: number; checkpoint: number } {
  const numbers = 2 * m * d + 2 * m + d;
  return { sae: 4 * numbers, checkpoint: 12 * numbers };
}

/**
 * Checks that SAEs and their checkpoints fit on the disk. A checkpoint is written beside the one before.
 *
 * @param free Bytes that are free in a folder; undefined where that is not known.
 * @throws {Error} They do not.
 */
export async function checkDisk(
  folder: string,
  saes: KeptSae[],
  keepsCheckpoints: boolean,
  free: (folder: string) => Promise<number | undefined> = freeBytes,
): Promise<void> {
  const sizes = saes.map(savedBytes);
  const checkpoints = keepsCheckpoints ? sizes.map(({ checkpoint }) => checkpoint) : [];
  const add = (sum: number, bytes: number) => sum + bytes;
  const needed = sizes.map(({ sae }) => sae).reduce(add, 0) + checkpoints.reduce(add, 0) +
    Math.max(0, ...checkpoints);
  const found = await free(folder);
  if (found === undefined || needed <= found) return;
  const ways = [
    "another --out",
    "fewer latents",
    ...keepsCheckpoints ? ["--checkpoint-every 0"] : [],
  ];
  throw new Error(
    `${formatBytes(found)} are free on the disk of ${folder}, expected ${
      formatBytes(needed)
    } for ` +
      `${keepsCheckpoints ? "checkpoints and " : ""}${
        saes.length === 1 ? "the SAE" : "the SAEs"
      }: take ` +
      ways.join(" or "),
  );
}

/** Asking needs a permission of its own, which a run can do without. */
async function freeBytes(folder: string): Promise<number | undefined> {
  const name = { name: "sys", kind: "statfs" } as unknown as Deno.SysPermissionDescriptor;
  try {
    if ((await Deno.permissions.query(name)).state !== "granted") return undefined;
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** The SAE of a path: a run's folder stands for the SAE that it has trained. */
export async function saePath(path: string): Promise<string> {
  const isThere = (name: string) => Deno.stat(join(path, name)).then(() => true, () => false);
  const isRun = await isThere("config.json") && await isThere("sae") && !await isThere("cfg.json");
  return isRun ? join(path, "sae") : path;
}

/** Options whose values are paths that a command reads. */
const INPUTS = [
  ...["text", "eval-text", "activations", "initial", "model", "grid", "meta", "compare", "also"],
];

/** The paths of a command's inputs, as far as they are known; globs and ids of the hub among them. */
export function inputPaths(options: Arguments): string[] {
  return INPUTS.flatMap((name) => options.texts(name));
}
