/** The `decoder` of a tokenizer.json; only the fields that are used. */
export interface TokenDecoder {
  /** Its type, such as "ByteLevel". */
  type?: string;
  /** The decoders of a "Sequence". */
  decoders?: TokenDecoder[];
}

/** Whether a tokenizer's vocabulary spells each byte as a character. */
export function isByteLevel(decoder: TokenDecoder | null | undefined): boolean {
  return decoder?.type === "ByteLevel" || (decoder?.decoders ?? []).some(isByteLevel);
}

/**
 * The text of a token for display: spaces are kept, bytes that are part of a character are written as
 * `\xe2`.
 *
 * @param word The token's entry in the vocabulary; without one the text is "[ID]".
 */
export function wordText(word: string | undefined, token: number, byteLevel: boolean): string {
  if (word === undefined) return `[${token}]`;
  return byteLevel ? byteLevelText(word) : sentencePieceText(word);
}

// Byte-level vocabularies spell each byte as one character: the bytes of printable Latin-1
// characters as themselves, the 68 others, in order, as the characters from U+0100.
const byteOf: Map<string, number> = new Map();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  byteOf.set(String.fromCodePoint(printable ? byte : next++), byte);
}

function byteLevelText(word: string): string {
  const bytes = Array.from(word, (character) => byteOf.get(character));
  // Added tokens are plain text.
  return bytes.includes(undefined) ? word : bytesText(bytes as number[]);
}

function sentencePieceText(word: string): string {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(word);
  return byte ? bytesText([parseInt(byte[1], 16)]) : word.replaceAll("\u2581", " ");
}

function bytesText(bytes: number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(Uint8Array.from(bytes));
  } catch {
    return bytes.map((byte) =>
      byte < 128 ? String.fromCodePoint(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
    ).join("");
  }
}
