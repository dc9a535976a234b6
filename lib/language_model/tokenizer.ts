import { existsSync } from "node:fs";
import { join } from "node:path";
import { readRegularText, regularFileSize } from "./regular_file.ts";

/** Text to tokens and back. */
export interface Tokenizer {
  /** Token ids of a text, without special tokens. */
  tokenize(text: string): Int32Array;
  /** The text of tokens. */
  decode(tokens: ArrayLike<number>): string;
  /**
   * The text of one token as a reader should see it: spaces kept, bytes that are only a part of a
   * character as `\xe2`.
   */
  tokenText(token: number): string;
}

/**
 * Opens the tokenizer in a model's folder; undefined where the folder has no tokenizer.json.
 *
 * @param folder Absolute path of the folder.
 * @throws Error naming the file when it cannot be read.
 */
export async function openTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = join(folder, "tokenizer.json");
  if (!existsSync(path)) return undefined;
  // transformers.js needs both, and fails without a word on the file.
  if (!existsSync(join(folder, "tokenizer_config.json"))) {
    throw new Error(`${folder} has a tokenizer.json but no tokenizer_config.json`);
  }
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    regularFileSize(join(folder, name));
  }
  const { AutoTokenizer, env } = await import("@huggingface/transformers");
  env.useBrowserCache = false;
  try {
    const byteLevel = hasByteLevel(JSON.parse(readRegularText(path)).decoder);
    const tokenizer = await AutoTokenizer.from_pretrained(folder, { local_files_only: true });
    let words: string[] | undefined;
    return {
      tokenize: (text) => Int32Array.from(tokenizer.encode(text, { add_special_tokens: false })),
      decode: (tokens) =>
        tokenizer.decode(Array.from(tokens), { clean_up_tokenization_spaces: false }),
      tokenText(token) {
        if (!words) {
          words = [];
          for (const [word, id] of tokenizer.get_vocab() as Map<string, number>) words[id] = word;
        }
        const word = words[token];
        if (word === undefined) return `[${token}]`;
        return byteLevel ? byteLevelText(word) : sentencePieceText(word);
      },
    };
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

interface Decoder {
  type?: string;
  decoders?: Decoder[];
}

function hasByteLevel(decoder: Decoder | null | undefined): boolean {
  return decoder?.type === "ByteLevel" || (decoder?.decoders ?? []).some(hasByteLevel);
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
  // Added tokens are spelt in plain text.
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
