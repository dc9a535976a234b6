// Snapshots of the emitted sources: a few in full, all others as SHA-256.
import { everyKernel } from "./every_kernel.ts";

const FOLDER = new URL("snapshots/", import.meta.url);

/** Kernels that are kept in full: one for each kind of snippet and binding. */
const IN_FULL = [
  "adamVector",
  "decode d=71 targets",
  "entryGradients d=48 lanes=8 penalized",
  "exactDots d=768 cutOf=batch",
  "gradientNorm jump",
  "layPanels",
  "scan",
  "roundRows d=48 factors=int8 biased",
  "updateRows d=768 decoder",
  "writeListed",
];

/** Snapshots of the current kernels by file name. */
export async function takeSnapshots(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const sums: string[] = [];
  for (const { name, kernel: { code } } of everyKernel()) {
    if (IN_FULL.includes(name)) files[`${name.replaceAll(" ", "_")}.wgsl`] = code;
    else {
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code));
      sums.push(`${new Uint8Array(digest).toHex()}  ${name}`);
    }
  }
  return { ...files, "sha256.txt": `${sums.join("\n")}\n` };
}

/** The stored snapshots. */
export async function readSnapshots(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(FOLDER)) {
    files[name] = await Deno.readTextFile(new URL(name, FOLDER));
  }
  return files;
}

/** Stores the snapshots of the current kernels and removes all others. */
export async function writeSnapshots(): Promise<void> {
  await Deno.mkdir(FOLDER, { recursive: true });
  const files = await takeSnapshots();
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!(name in files)) await Deno.remove(new URL(name, FOLDER));
  }
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(new URL(name, FOLDER), text);
  }
}
