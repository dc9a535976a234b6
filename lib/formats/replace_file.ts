import { basename, dirname, join } from "@std/path";

/**
 * Writes a file beside its place and renames it into it: whoever opens `path` finds the old file or
 * the new one, never a part. If writing fails, what was written is removed and the old file stays.
 *
 * @param path The file; an existing one is replaced.
 * @param write Writes the content.
 * @throws {Error} The file cannot be written; also what `write` throws.
 */
export async function replaceFile(
  path: string,
  write: (file: Deno.FsFile) => Promise<void>,
): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  let file: Deno.FsFile;
  try {
    file = await Deno.open(beside, { write: true, createNew: true });
  } catch (error) {
    throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    try {
      await write(file);
      // Without it, a power cut after the rename can leave an empty file under the final name.
      await file.syncData();
    } finally {
      file.close();
    }
    await Deno.rename(beside, path);
  } catch (error) {
    await Deno.remove(beside).catch(() => {});
    throw error;
  }
}

/** Writes a text as {@linkcode replaceFile} writes files. */
export async function replaceText(path: string, text: string): Promise<void> {
  await replaceFile(path, async (file) => {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  });
}

/**
 * Removes what processes that were killed while they replaced files of a folder left there: files
 * that `replaceFile` names. No other process may be writing in the folder.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (isFile && LEFTOVER.test(name)) await Deno.remove(join(folder, name));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A hidden name that ends with a UUID. */
const LEFTOVER = /^\..+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
