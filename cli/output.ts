import type { DownloadProgress } from "../lib/language_model/mod.ts";

/** Where a command's output goes: for people, or one JSON object a line with `--json`. */
export interface Output {
  /** Text for people: standard output, or nothing with `--json`. */
  say(text: string): void;
  /** What is going on, replaced by the next call on a terminal; a plain line now and then if not. */
  progress(text: string, data?: Record<string, unknown>): void;
  /** Something that goes wrong while work goes on: a line of its own that stays. */
  warn(text: string, data: Record<string, unknown>): void;
  /** The command's result, for machines only. */
  result(data: Record<string, unknown>): void;
}

const PLAIN_EVERY_MS = 5000;

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

// Of the terminal, which there is one of: a line that one output left is cleared by the next.
let shown = false;

/** Starts a command's output. */
export function createOutput(json: boolean): Output {
  const terminal = !json && Deno.stderr.isTerminal();
  const encoder = new TextEncoder();
  let lastPlain = -Infinity;
  const clear = () => {
    if (shown) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
    shown = false;
  };
  return {
    say(text) {
      if (json) return;
      clear();
      console.log(printable(text));
    },
    progress(given, data) {
      const text = printable(given).replaceAll("\n", "\\n");
      if (json) {
        if (data) console.log(printableJson({ type: "progress", ...data }));
      } else if (terminal) {
        const width = Deno.consoleSize().columns - 1;
        Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${text.slice(0, width)}`));
        shown = true;
      } else if (performance.now() - lastPlain > PLAIN_EVERY_MS) {
        lastPlain = performance.now();
        console.error(text);
      }
    },
    warn(text, data) {
      if (json) return console.log(JSON.stringify({ type: "warning", ...data }));
      clear();
      console.error(`warning: ${text}`);
    },
    result(data) {
      if (json) console.log(printableJson({ type: "result", ...data }));
      else clear();
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

/** Seconds for people: 75 → "1m15s". */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")}m`;
}

/** Shows how far downloads from the hub are, as their `onProgress`. */
export function downloadProgress(output: Output): (progress: DownloadProgress) => void {
  return ({ file, loaded, total }) => {
    const whole = total > 0 ? ` of ${mebibytes(total)}` : "";
    output.progress(`${file}: ${mebibytes(loaded)}${whole}`, { file, loaded, total });
  };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
