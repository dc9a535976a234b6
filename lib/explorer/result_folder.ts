import { parse } from "@std/csv";

/** A folder of results that belong to SAEs of a site. */
export interface ResultFolder {
  /** The command that wrote it. */
  kind: "train" | "sweep" | "stitch" | "meta";
  /** Its name in errors and on pages. */
  name: string;
  /** Names of its files. */
  files: readonly string[];
  /** The text of a file. */
  read(file: string): Promise<string>;
  /**
   * The digest of an SAE that the folder holds (`decoderDigest`).
   *
   * @param sae Its folder: "sae", "topk_m64_k4_seed0/sae".
   * @returns Undefined if the folder does not hold it.
   */
  digest(sae: string): Promise<string | undefined>;
}

/** The last part of a folder's path, since a site must not tell where it was made. */
export const lastPart = ({ name }: ResultFolder): string =>
  name.split(/[\\/]/).filter((part) => part !== "").at(-1) ?? name;

/**
 * The rows of a CSV file, keyed by column name.
 *
 * @throws {Error} It is not CSV; the message names it.
 */
export async function readTable(
  folder: ResultFolder,
  file: string,
): Promise<Record<string, string>[]> {
  return await parseFile(folder, file, (text) => parse(text, { skipFirstRow: true }));
}

/**
 * The content of a JSON file.
 *
 * @throws {Error} It is not JSON; the message names it.
 */
// deno-lint-ignore no-explicit-any
export async function readJson(folder: ResultFolder, file: string): Promise<any> {
  return await parseFile(folder, file, JSON.parse);
}

async function parseFile<T>(
  folder: ResultFolder,
  file: string,
  parseText: (text: string) => T,
): Promise<T> {
  const text = await folder.read(file);
  try {
    return parseText(text);
  } catch (error) {
    throw new Error(`${folder.name}/${file} is damaged: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Reads a JSON file of a known format.
 *
 * @throws {Error} The file has another format.
 */
export async function readSummary<T extends { format: string }>(
  folder: ResultFolder,
  file: string,
  format: T["format"],
): Promise<T> {
  if (!folder.files.includes(file)) {
    throw new Error(
      `${folder.name} has no ${file}: \`saewing ${folder.kind}\` of an earlier version wrote it, run it again`,
    );
  }
  const found = await readJson(folder, file);
  if (found?.format !== format) {
    throw new Error(
      `${folder.name}/${file} is of format ${JSON.stringify(found?.format)}, expected "${format}"`,
    );
  }
  return found;
}

/**
 * A number of a table.
 *
 * @throws {Error} The cell is not a number.
 */
export function numberIn(row: Record<string, string>, column: string, file: string): number {
  const text = row[column];
  const value = text === undefined || text === "" ? NaN : Number(text);
  if (Number.isNaN(value)) {
    throw new Error(
      `${file} has ${JSON.stringify(text)} in column ${column}, expected a number`,
    );
  }
  return value;
}

const TAGS = /^(svg|g|path|rect|circle|line|polyline|polygon|text|tspan|title|desc|defs|clipPath)$/;
/** A tag: its name, and what follows, in which a ">" may be quoted. */
const TAG = /<\/?([^\s>/"']*)((?:[^"'>]|"[^"]*"|'[^']*')*)>/g;

/**
 * A figure of a run's folder, for the page to show as a picture.
 *
 * @throws {Error} It has anything but shapes and text: scripts, links and event handlers of foreign files must not
 * get into the site.
 */
export async function readPicture(
  folder: ResultFolder,
  file: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const text = await folder.read(file);
  const refuse = (what: string) => {
    throw new Error(`${folder.name}/${file} has ${what}, expected a figure of shapes and words`);
  };
  if (/<[!?]/.test(text)) refuse("a declaration or comment");
  if (/url\(\s*["']?(?!#)/i.test(text)) refuse("an address");
  const words = text.replace(TAG, (_, name: string, attributes: string) => {
    if (!TAGS.test(name)) refuse(`an element ${JSON.stringify(name.slice(0, 40))}`);
    const names = attributes.replace(/"[^"]*"|'[^']*'/g, " ");
    const wrong = /(?:^|[\s=/])(on\w*|[\w:]*href)\s*=/i.exec(names);
    if (wrong) refuse(`an attribute ${wrong[1]}`);
    return "";
  });
  if (words.includes("<")) refuse('a "<" that begins no element');
  return new TextEncoder().encode(text);
}
