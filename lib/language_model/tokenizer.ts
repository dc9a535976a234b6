import { existsSync } from "node:fs";
import { join } from "node:path";
import { isWhole } from "../whole_number.ts";
import { isByteLevel, wordText } from "./token_text.ts";
import { readRegularText, regularFileSize } from "./regular_file.ts";

/** Converts text to tokens and back. */
export interface Tokenizer {
  /** Token ids of a text, without special tokens. */
  tokenize(text: string): Int32Array;
  /** The text of tokens. */
  decode(tokens: ArrayLike<number>): string;
  /**
   * The text of one token for display: spaces are kept, bytes that are part of a character are written
   * as `\xe2`.
   */
  tokenText(token: number): string;
}

/**
 * Opens the tokenizer in a model's folder; undefined where the folder has no tokenizer.json.
 *
 * @param folder Absolute path of the folder.
 * @throws {Error} A file cannot be read; the message names it.
 */
export async function openTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = join(folder, "tokenizer.json");
  if (!existsSync(path)) return undefined;
  // transformers.js needs both, and its error does not name the file.
  if (!existsSync(join(folder, "tokenizer_config.json"))) {
    throw new Error(`${folder} has a tokenizer.json but no tokenizer_config.json`);
  }
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    regularFileSize(join(folder, name));
  }
  const { AutoTokenizer, env } = await import("@huggingface/transformers");
  env.useBrowserCache = false;
  try {
    const byteLevel = isByteLevel(JSON.parse(readRegularText(path)).decoder);
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
        return wordText(words[token], token, byteLevel);
      },
    };
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Id of a tokenizer's BOS token, else of its EOS token; undefined where its files have neither. Used
 * where config.json has none (MPT).
 *
 * @param folder Folder with tokenizer.json and tokenizer_config.json.
 */
export function tokenizerBosToken(folder: string): number | undefined {
  const config = readObject(join(folder, "tokenizer_config.json"));
  const added = readObject(join(folder, "tokenizer.json")).added_tokens;
  if (!Array.isArray(added)) return undefined;
  for (const name of ["bos_token", "eos_token"]) {
    const token = config[name] as string | { content?: string } | null | undefined;
    const content = typeof token === "string" ? token : token?.content;
    const id = added.find((one) => content !== undefined && one?.content === content)?.id;
    if (isWhole(id)) return id;
  }
  return undefined;
}

function readObject(path: string): Record<string, unknown> {
  if (!existsSync(path)) return {};
  let value: unknown;
  try {
    value = JSON.parse(readRegularText(path));
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
