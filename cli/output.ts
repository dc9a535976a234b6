/** Where a command's output goes: for people, or one JSON object a line with `--json`. */
export interface Output {
  /** Text for people: standard output, or nothing with `--json`. */
  say(text: string): void;
  /** What is going on, replaced by the next call on a terminal; a plain line now and then if not. */
  progress(text: string, data?: Record<string, unknown>): void;
  /** The command's result, for machines only. */
  result(data: Record<string, unknown>): void;
}

const PLAIN_EVERY_MS = 5000;

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
      console.log(text);
    },
    progress(text, data) {
      if (json) {
        if (data) console.log(JSON.stringify({ type: "progress", ...data }));
      } else if (terminal) {
        const width = Deno.consoleSize().columns - 1;
        Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${text.slice(0, width)}`));
        shown = true;
      } else if (performance.now() - lastPlain > PLAIN_EVERY_MS) {
        lastPlain = performance.now();
        console.error(text);
      }
    },
    result(data) {
      if (json) console.log(JSON.stringify({ type: "result", ...data }));
      else clear();
    },
  };
}

/** A table with aligned columns; numbers to the right. */
export function formatTable(rows: [string, string][]): string {
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
