import type { FileHandle } from "node:fs/promises";

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
