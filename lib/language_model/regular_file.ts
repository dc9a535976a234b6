/** Text files that are read whole: configs and headers, of which the largest known has 33 MB. */
const mostTextBytes = 256 * 2 ** 20;

/**
 * Size of a regular file in bytes. Asked before a file is opened: opening a named pipe waits for a
 * writer that may never come, and a device may have no end.
 *
 * @throws {Deno.errors.NotFound} There is nothing at the path.
 * @throws {Error} It is no regular file, or link to one; the message says what it is.
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
    : "no file";
  throw new Error(`${path} is ${kind}, expected a file`);
}

/**
 * The text of a regular file.
 *
 * @throws {Deno.errors.NotFound} There is nothing at the path.
 * @throws {Error} It is no regular file, larger than 256 MiB, or cannot be read; it is named.
 */
export function readRegularText(path: string): string {
  const size = regularFileSize(path);
  if (size > mostTextBytes) {
    throw new Error(`${path} has ${size} bytes, expected a text of at most ${mostTextBytes}`);
  }
  return Deno.readTextFileSync(path);
}
