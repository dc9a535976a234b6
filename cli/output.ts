import type { CachedInstead } from "../lib/language_model/mod.ts";
import type { Progress } from "../mod.ts";
import type { Io } from "./io.ts";
import { createMeter } from "./progress.ts";

/** Where a command's output goes: text for people, or with `--json` one JSON object per line. */
export interface Output extends Disposable {
  /** Text for people: standard output, or nothing with `--json`. */
  say(text: string): void;
  /**
   * How far a phase is. It is shown with the time left, at least every two seconds until the next phase: a
   * line that is rewritten on a terminal, lines on standard error where there is none.
   */
  progress(at: Progress, more?: ProgressDetails): void;
  /** How far the download of a file is. Files that are downloaded at the same time are one phase. */
  download(at: Progress): void;
  /** A file of the hub's cache is used, because the hub does not answer: said once per repository. */
  cached(notice: CachedInstead): void;
  /**
   * Something that goes wrong while the work continues: a line of its own that stays. With `--json` the
   * text is `message`, where `data` has none.
   */
  warn(text: string, data: Record<string, unknown>): void;
  /** The command's result, for machines only. No progress is shown after it by time alone. */
  result(data: Record<string, unknown>): void;
}

/** What a line of progress says beside phase, share and time left. */
export interface ProgressDetails {
  /** For people, in place of "20 of 400". */
  details?: string;
  /** For machines: an object of its own for this very update. */
  data?: Record<string, unknown>;
}

/**
 * Text that a terminal shows as it is. Names come from files, models and the hub: an escape sequence in
 * one could set the terminal's title, hide what stands before it or pass for our own output. Control
 * characters but the line break and the tab, and those that turn the direction of writing, are written
 * as `\x1b` or `\u202e`.
 */
export function printable(text: string): string {
  return text.toWellFormed()
    .replace(/(?![\n\t])\p{Cc}/gu, (character) => `\\x${hex(character, 2)}`)
    .replace(TURNING, (character) => `\\u${hex(character, 4)}`);
}

/** JSON on one line in which no such character is left: JSON itself escapes those below 32 only. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/\p{Cc}/gu, (character) => `\\u${hex(character, 4)}`)
    .replace(TURNING, (character) => `\\u${hex(character, 4)}`);
}

/** Line and paragraph separators, and what turns the direction of writing. */
const TURNING = /[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, "0");
}

/** How a command prints. */
export interface OutputOptions {
  /** One JSON object per line on standard output, in place of text. */
  json?: boolean;
  /** No progress. */
  quiet?: boolean;
}

// At least every two seconds, also where an update comes late: a tick that finds a line this old prints.
const EVERY_MS = 1500;
const TICK_MS = 250;
// A terminal's line is rewritten as often as an eye follows.
const REWRITE_MS = 100;

/** Starts a command's output. Until it is disposed of, progress is printed by time. */
export function createOutput(io: Io, { json = false, quiet = false }: OutputOptions = {}): Output {
  const terminal = json ? undefined : io.terminal;
  const meter = createMeter(io.now);
  const colour = (code: number, text: string) => io.colour ? `\x1b[${code}m${text}\x1b[m` : text;
  let shown = false;
  let printed = -Infinity;
  let ticks: Disposable | undefined;
  let at: Progress | undefined;
  const clear = () => {
    if (shown) terminal!.write("\r\x1b[K");
    shown = false;
  };
  const stop = () => {
    ticks?.[Symbol.dispose]();
    ticks = undefined;
  };
  const draw = () => {
    printed = io.now();
    if (json) {
      const secondsLeft = meter.secondsLeft();
      io.print(printableJson({ type: "progress", ...at, secondsLeft }));
      return;
    }
    const line = printable(meter.line()!).replaceAll("\n", "\\n");
    if (!terminal) return io.printError(line);
    const cut = [...line].slice(0, terminal.columns() - 1).join("");
    const phase = printable(at!.phase);
    const text = cut.startsWith(phase) ? colour(36, phase) + cut.slice(phase.length) : cut;
    terminal.write(`\r\x1b[K${text}`);
    shown = true;
  };
  const drawAfter = (milliseconds: number) => {
    if (io.now() - printed >= milliseconds) draw();
  };
  const progress: Output["progress"] = ({ phase, done, total }, { details, data } = {}) => {
    if (quiet) return;
    at = { phase, done, total };
    meter.update(at, details);
    ticks ??= io.every(TICK_MS, () => drawAfter(terminal ? 1000 : EVERY_MS));
    if (json && data) io.print(printableJson({ type: "progress", ...at, ...data }));
    else drawAfter(terminal ? REWRITE_MS : EVERY_MS);
  };
  const warn: Output["warn"] = (text, data) => {
    if (json) return io.print(printableJson({ type: "warning", message: text, ...data }));
    clear();
    io.printError(`${colour(33, "warning:")} ${printable(text)}`);
  };
  const files = new Map<string, Progress>();
  const told = new Set<string>();
  return {
    say(text) {
      if (json) return;
      clear();
      io.print(printable(text));
    },
    progress,
    download({ phase: file, done: loaded, total: whole }) {
      files.set(file, { phase: file, done: loaded, total: whole });
      const all = [...files.values()];
      const done = all.reduce((sum, { done }) => sum + done, 0);
      const total = all.reduce((sum, { total = 0 }) => sum + total, 0);
      const isKnown = all.every(({ total }) => total !== undefined);
      const ofAll = isKnown ? ` of ${formatMebibytes(total)}` : "";
      progress({ phase: "downloading", done, total: isKnown ? total : undefined }, {
        details: `${formatMebibytes(done)}${ofAll}  ${file}`,
        data: { file, loaded, total: whole ?? 0 },
      });
    },
    cached({ repo, file, reason }) {
      if (told.has(repo)) return;
      told.add(repo);
      const why = reason.split("\n")[0];
      const message = `${repo} is read from the cache, the hub cannot be asked for changes: ${why}`;
      warn(message, { message, cached: repo, file, reason });
    },
    warn,
    result(data) {
      stop();
      if (json) io.print(printableJson({ type: "result", ...data }));
      else clear();
    },
    [Symbol.dispose]() {
      stop();
      clear();
    },
  };
}

/** A table with aligned columns; numbers to the right. */
export function formatTable(given: [string, string][]): string {
  const cell = (text: string) => printable(text).replaceAll("\n", "\\n");
  const rows = given.map(([name, value]) => [cell(name), cell(value)]);
  const left = Math.max(...rows.map(([name]) => name.length));
  const right = Math.max(...rows.map(([, value]) => value.length));
  return rows.map(([name, value]) => `  ${name.padEnd(left)}  ${value.padStart(right)}`).join("\n");
}

/** Shows how far downloads from the hub are, and says where the cache has to do: options of what loads. */
export function hubOptions(output: Output): {
  onProgress: (progress: Progress) => void;
  onCached: (notice: CachedInstead) => void;
} {
  return { onProgress: output.download, onCached: output.cached };
}

function formatMebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
