import { existsSync } from "node:fs";
import { join } from "node:path";
import { isWhole } from "../whole_number.ts";
import { readRegularText } from "./regular_file.ts";

/**
 * Id of the token that documents begin with by a tokenizer's files, or of the one that ends them;
 * undefined where they name none. Some configurations (MPT's) leave both to the tokenizer.
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
