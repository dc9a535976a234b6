/** Compresses a text by gzip. */
export async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Decompresses a gzip stream to text.
 *
 * @param most Largest number of characters.
 * @param what Name of the data in the error message.
 * @throws {Error} It is not a gzip stream, or has more characters.
 */
export async function gunzip(
  bytes: Uint8Array<ArrayBuffer> | DataView<ArrayBuffer>,
  most: number,
  what: string,
): Promise<string> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))
    .getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    text += done ? decoder.decode() : decoder.decode(value, { stream: true });
    if (text.length > most) {
      await reader.cancel();
      throw new Error(`${what} has more than ${most} characters: the file is damaged`);
    }
    if (done) return text;
  }
}
