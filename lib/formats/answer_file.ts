import { readRegularText } from "../language_model/regular_file.ts";
import type { AnswerCache } from "../interpretation/chat.ts";

/** Answers in a file, which is closed when it is disposed of. */
export interface AnswerFile extends AnswerCache, Disposable {
  /** How many answers there are. */
  size(): number;
}

/**
 * Opens a file of answers, one JSON object {"key", "answer"} per line, to which each new one is added at once: a
 * run that is killed keeps all that was paid for. A last line that was cut short is dropped.
 *
 * @throws {Error} Another line is no such object: the file is something else.
 */
export function openAnswerFile(path: string): AnswerFile {
  const { answers, text, whole } = readAnswers(path);
  const file = Deno.openSync(path, { create: true, write: true });
  const encoder = new TextEncoder();
  file.truncateSync(encoder.encode(text.slice(0, whole)).length);
  file.seekSync(0, Deno.SeekMode.End);
  return {
    size: () => answers.size,
    get: (key) => answers.get(key),
    set(key, answer) {
      answers.set(key, answer);
      const bytes = encoder.encode(JSON.stringify({ key, answer }) + "\n");
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncDataSync();
      return Promise.resolve();
    },
    [Symbol.dispose]: () => file.close(),
  };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function parseLine(line: string, where: string): { key: string; answer: string } {
  let parsed: { key?: unknown; answer?: unknown } | null = null;
  try {
    parsed = JSON.parse(line);
  } catch {
    // Told below.
  }
  const { key, answer } = parsed ?? {};
  if (typeof key === "string" && typeof answer === "string") return { key, answer };
  throw new Error(`${where} is no answer, expected {"key": "…", "answer": "…"}`);
}

/**
 * Reads a file of answers, of which nothing is changed: {@linkcode openAnswerFile} without the writing.
 *
 * @returns The answers by key, and the text up to the end of its last whole line.
 */
export function readAnswers(
  path: string,
): { answers: Map<string, string>; text: string; whole: number } {
  const answers = new Map<string, string>();
  let whole = 0;
  const text = exists(path) ? readRegularText(path) : "";
  for (let start = 0, line = 1; start < text.length; line++) {
    const end = text.indexOf("\n", start);
    if (end < 0) break;
    const { key, answer } = parseLine(text.slice(start, end), `line ${line} of ${path}`);
    answers.set(key, answer);
    start = whole = end + 1;
  }
  return { answers, text, whole };
}
