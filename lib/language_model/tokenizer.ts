import { existsSync } from "node:fs";
import { join } from "node:path";
import { isByteLevel, wordText } from "./token_text.ts";
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
