import { basename, dirname, join } from "@std/path";

/**
 * Writes a file under a temporary name and renames it: a reader of `path` finds the old file or the new one,
 * never a part. If writing fails, the temporary file is removed and the old file stays. Leftovers of killed
 * processes for this file are removed.
 *
 * @param path The file; an existing one is replaced.
 * @param write Writes the content.
 * @param beforeRename Called when the whole content is on the disk, before it takes its place.
 * @throws {Error} The file cannot be written; also what `write` throws.
 */
export async function replaceFile(
  path: string,
  write: (file: Deno.FsFile) => Promise<void>,
  beforeRename?: () => Promise<void>,
): Promise<void> {
  // Where the folder cannot be read, writing to it says what is wrong.
  await removeLeftovers(dirname(path), basename(path)).catch(() => {});
  const { file, beside } = await openBeside(path);
  try {
    try {
      await write(file);
      // Without it, a power cut after the rename can leave an empty file under the final name.
      await file.syncData();
      await beforeRename?.();
      // Renamed while it is open and locked: nobody can mistake it for a leftover.
      await Deno.rename(beside, path);
    } finally {
      file.close();
    }
  } catch (error) {
    await Deno.remove(beside).catch(() => {});
    const { code, message } = error as { code?: string; message: string };
    // The system's error of a full disk does not name the file.
    if (code !== undefined && !message.includes(path)) {
      throw new Error(`cannot write ${path}: ${message}`, { cause: error });
    }
    throw error;
  }
}

/** A new file beside a path, locked until it is closed or its process ends. */
async function openBeside(path: string): Promise<{ file: Deno.FsFile; beside: string }> {
  for (;;) {
    const beside = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
    let file: Deno.FsFile;
    try {
      file = await Deno.open(beside, { write: true, createNew: true });
    } catch (error) {
      throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
    // Some network file systems have no locks: leftovers are recognised by their age there.
    await file.lock(true).catch(() => {});
    // Between the two, another process could have taken it for a leftover.
    if (await Deno.stat(beside).then(() => true, () => false)) return { file, beside };
    file.close();
  }
}

/** Writes bytes as {@linkcode replaceFile} writes files. */
export async function replaceBytes(
  path: string,
  bytes: Uint8Array,
  beforeRename?: () => Promise<void>,
): Promise<void> {
  const write = async (file: Deno.FsFile) => {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  };
  await replaceFile(path, write, beforeRename);
}

/** Writes a text as {@linkcode replaceFile} writes files. */
export async function replaceText(
  path: string,
  text: string,
  beforeRename?: () => Promise<void>,
): Promise<void> {
  await replaceBytes(path, new TextEncoder().encode(text), beforeRename);
}

/**
 * Removes what processes that were killed while they replaced files of a folder left there: files
 * that `replaceFile` names and that no process holds.
 *
 * @param of Only those beside the file of this name; all where it is not given.
 */
export async function removeLeftovers(folder: string, of?: string): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !LEFTOVER.test(name)) continue;
      if (of !== undefined && name.slice(1, -UUID_LENGTH - 1) !== of) continue;
      const path = join(folder, name);
      if (await isAbandoned(path)) await Deno.remove(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The system frees a lock when its process ends, however it ends. */
async function isAbandoned(path: string): Promise<boolean> {
  using file = await Deno.open(path, { read: true, write: true });
  try {
    return await file.tryLock(true);
  } catch {
    const { mtime } = await file.stat();
    return Date.now() - Number(mtime ?? Date.now()) > DAY;
  }
}

const DAY = 24 * 3600 * 1000;
const UUID_LENGTH = 36;
/** A hidden name that ends with a UUID. */
const LEFTOVER = /^\..+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
