/** Largest text file that is read at once; the largest known config or header has 33 MB. */
const maxTextBytes = 256 * 2 ** 20;

/**
 * Size of a regular file in bytes. It is checked before a file is opened: opening a named pipe waits
 * for a writer, and a device may have no end.
 *
 * @throws {Deno.errors.NotFound} The path does not exist.
 * @throws {Error} It is not a regular file or a link to one; the message says what it is.
 */
export function regularFileSize(path: string): number {
  const info = Deno.statSync(path);
  if (info.isFile) return info.size;
  const kind = info.isDirectory
    ? "a folder"
    : info.isFifo
    ? "a named pipe"
    : info.isCharDevice || info.isBlockDevice
    ? "a device"
    : info.isSocket
    ? "a socket"
    : "not a file";
  throw new Error(`${path} is ${kind}, expected a file`);
}

/**
 * The text of a regular file.
 *
 * @throws {Deno.errors.NotFound} The path does not exist.
 * @throws {Error} It is not a regular file, is larger than 256 MiB, or cannot be read.
 */
export function readRegularText(path: string): string {
  const size = regularFileSize(path);
  if (size > maxTextBytes) {
    throw new Error(`${path} has ${size} bytes, expected a text of at most ${maxTextBytes}`);
  }
  return Deno.readTextFileSync(path);
}
