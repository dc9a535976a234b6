import { formatSeconds } from "../lib/format_number.ts";
import type { CachedInstead } from "../lib/language_model/mod.ts";
import type { Progress } from "../mod.ts";
import type { Io } from "./io.ts";

/** Where a command's output goes: text for people, or with `--json` one JSON object per line. */
export interface Output extends Disposable {
  /** Text for people: standard output, or nothing with `--json`. */
  say(text: string): void;
  /**
   * Progress of a phase. It is shown with the time left, at least every two seconds until the next phase: on a
   * terminal one line is rewritten, elsewhere lines go to standard error.
   */
  progress(at: Progress, more?: ProgressDetails): void;
  /** Progress of a download. Files that are downloaded at the same time are one phase. */
  download(at: Progress): void;
  /** A cached file is used because the hub does not answer: reported once per repository. */
  cached(notice: CachedInstead): void;
  /**
   * A problem that does not stop the work: printed on its own line. With `--json` the text is `message`, where
   * `data` has none.
   */
  warn(text: string, data: Record<string, unknown>): void;
  /** The command's result, for machines only. No timed progress is shown after it. */
  result(data: Record<string, unknown>): void;
}

/** Details of a progress line beside phase, share and time left. */
export interface ProgressDetails {
  /** For people, in place of "20 of 400". */
  details?: string;
  /** For machines: an object for this update. */
  data?: Record<string, unknown>;
}

/**
 * Text that is safe to print on a terminal. Names come from files, models and the hub: an escape sequence in
 * one could set the terminal's title, hide text or imitate our own output. Control characters other than line
 * break and tab, and characters that change the writing direction, are printed as `\x1b` or `\u202e`.
 */
export function printable(text: string): string {
  return text.toWellFormed()
    .replace(/(?![\n\t])\p{Cc}/gu, (character) => `\\x${hex(character, 2)}`)
    .replace(TURNING, (character) => `\\u${hex(character, 4)}`);
}

/** JSON on one line without such characters: JSON itself only escapes those below 32. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/\p{Cc}/gu, (character) => `\\u${hex(character, 4)}`)
    .replace(TURNING, (character) => `\\u${hex(character, 4)}`);
}

/** Line and paragraph separators, and characters that change the writing direction. */
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

// Lines come at least every two seconds: a tick that finds a line this old prints it again.
const EVERY_MS = 1500;
const TICK_MS = 250;
// A terminal's line is rewritten at most this often.
const REWRITE_MS = 100;

/** Starts a command's output. Until it is disposed of, progress is printed by a timer. */
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
      const message =
        `${repo} is read from the cache, the hub cannot be checked for changes: ${why}`;
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

/**
 * Shows progress of downloads from the hub, and warns where the cache is used instead: options for loading
 * functions.
 */
export function hubOptions(output: Output): {
  onProgress: (progress: Progress) => void;
  onCached: (notice: CachedInstead) => void;
} {
  return { onProgress: output.download, onCached: output.cached };
}

function formatMebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Measures phases: share done, and the time left by the phase's own rate. */
export interface Meter {
  /** Updates the progress. Another name starts another phase. */
  update(progress: Progress, details?: string): void;
  /** One line about the phase; undefined before the first update. */
  line(): string | undefined;
  /** Seconds left of the phase; undefined where unknown. */
  secondsLeft(): number | undefined;
}

/**
 * Creates a meter.
 *
 * @param now Milliseconds since any fixed time.
 */
export function createMeter(now: () => number): Meter {
  let at: Progress | undefined;
  let details: string | undefined;
  // Start of the phase: a resumed run starts at its checkpoint's step.
  let [began, first, updated] = [0, 0, 0];
  const secondsLeft = () => {
    if (!at || at.total === undefined || at.done <= first) return undefined;
    const pace = (updated - began) / (at.done - first);
    return Math.max(0, (at.total - at.done) * pace - (now() - updated)) / 1000;
  };
  return {
    update(progress, text) {
      updated = now();
      const isNew = at?.phase !== progress.phase || progress.done < at.done;
      if (isNew) [began, first] = [updated, progress.done];
      at = progress;
      details = text;
    },
    secondsLeft,
    line() {
      if (!at) return undefined;
      const { phase, done, total } = at;
      const left = secondsLeft();
      const amount = total === undefined ? (done > 0 ? `${done}` : "") : `${done} of ${total}`;
      return [
        phase,
        total === undefined ? "" : `${shareOf(done, total)} %`,
        details ?? amount,
        left === undefined
          ? `${formatSeconds(Math.floor((now() - began) / 1000))} so far`
          : `${formatSeconds(Math.ceil(left))} left`,
      ].filter((part) => part !== "").join("  ");
    },
  };
}

/** Percent done, rounded down: 100 means that all is done. */
function shareOf(done: number, total: number): number {
  return total > 0 ? Math.floor(100 * Math.min(1, done / total)) : 100;
}
