import { glob } from "node:fs/promises";
import { basename, extname, join } from "@std/path";

/** Format of a file: it has one document, or one per line or row. */
export type TextKind = "txt" | "jsonl" | "csv" | "parquet";

/** A file of documents. */
export interface TextFile {
  /** Its path. */
  path: string;
  /** Its format. */
  kind: TextKind;
  /** Whether it is compressed by gzip. */
  gzip: boolean;
}

const kinds: readonly TextKind[] = ["txt", "jsonl", "csv", "parquet"];
const wanted = "expected .txt, .jsonl or .csv, each also with .gz, or .parquet";

/**
 * Text files of paths, folders and globs: folders recursively, sorted by name, each file once.
 *
 * @throws {Error} Nothing matches, or a named file has another format.
 */
export async function findTextFiles(pathOrGlob: string | readonly string[]): Promise<TextFile[]> {
  const found = new Map<string, TextFile>();
  const inputs = typeof pathOrGlob === "string" ? [pathOrGlob] : pathOrGlob;
  if (inputs.length === 0) throw new Error("no path is given, expected files of text to read");
  for (const input of inputs) {
    for (const file of await expand(input)) found.set(file.path, file);
  }
  return [...found.values()];
}

async function expand(input: string): Promise<TextFile[]> {
  let info: Deno.FileInfo | undefined;
  try {
    info = await Deno.stat(input);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !isGlob(input)) {
      throw new Error(`cannot read ${input}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (info && !info.isDirectory) {
    const file = textFile(input) ?? plainFile(input);
    if (!file) throw new Error(`cannot read texts from ${input}: ${wanted}`);
    return [file];
  }
  if (!info && !isGlob(input)) throw new Error(`cannot read ${input}: there is no such file`);
  const paths = info ? await walk(input) : await matches(input);
  const files = paths.sort().map(textFile).filter((file) => file !== undefined);
  if (files.length === 0) {
    const what = info ? "the folder holds" : "the glob matches";
    throw new Error(`${what} no texts among ${paths.length} files: ${input}, ${wanted}`);
  }
  return files;
}

function isGlob(path: string): boolean {
  return /[*?[\]{}]/.test(path);
}

function textFile(path: string): TextFile | undefined {
  const gzip = path.endsWith(".gz");
  const name = gzip ? path.slice(0, -".gz".length) : path;
  const kind = kinds.find((kind) => name.endsWith(`.${kind}`));
  // Parquet has its own compression.
  return kind && !(kind === "parquet" && gzip) ? { path, kind, gzip } : undefined;
}

/** A named file without extension is plain text. */
function plainFile(path: string): TextFile | undefined {
  const gzip = path.endsWith(".gz");
  return extname(basename(path, ".gz")) === "" ? { path, kind: "txt", gzip } : undefined;
}

async function walk(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) paths.push(...await walk(path));
    else paths.push(path);
  }
  return paths;
}

async function matches(pattern: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of glob(pattern)) {
    if ((await Deno.stat(path)).isFile) paths.push(path);
  }
  return paths;
}
