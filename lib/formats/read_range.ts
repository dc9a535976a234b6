import { type FileHandle, open } from "node:fs/promises";
import { regularFileSize } from "../language_model/regular_file.ts";

// Reads of 4 MiB reach the file cache's speed.
const pieceBytes = 4 * 2 ** 20;

/**
 * Fills `into` with a file's bytes from `position` on.
 *
 * @param path Used in errors.
 * @throws {Error} The file ends before; or the system's error.
 */
export async function readRange(
  path: string,
  handle: FileHandle,
  into: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const length = Math.min(pieceBytes, into.length - done);
    const { bytesRead } = await handle.read(into, done, length, position + done);
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
    done += bytesRead;
  }
}

/**
 * Opens a file to read ranges of it.
 *
 * @throws {Error} There is none, it is no regular file, or it may not be read.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    regularFileSize(path);
    return await open(path, "r");
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const why = code === "ENOENT" ? "there is no such file" : message;
    throw new Error(`cannot open ${path}: ${why}`, { cause: error });
  }
}
