import { statfs } from "node:fs/promises";
import { formatBytes } from "../device/describe.ts";

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
 * @param ways What the caller can do if they do not fit, for the error.
 * @param free Bytes that are free in a folder; undefined where that is not known.
 * @throws {Error} They do not.
 */
export async function checkDisk(
  folder: string,
  saes: KeptSae[],
  keepsCheckpoints: boolean,
  ways: string[],
  free: (folder: string) => Promise<number | undefined> = freeBytes,
): Promise<void> {
  const sizes = saes.map(savedBytes);
  const checkpoints = keepsCheckpoints ? sizes.map(({ checkpoint }) => checkpoint) : [];
  const add = (sum: number, bytes: number) => sum + bytes;
  const needed = sizes.map(({ sae }) => sae).reduce(add, 0) + checkpoints.reduce(add, 0) +
    Math.max(0, ...checkpoints);
  const found = await free(folder);
  if (found === undefined || needed <= found) return;
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
