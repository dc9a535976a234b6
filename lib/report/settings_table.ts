import { table } from "./table.ts";

const LONGEST = 160;

/** The settings of a run as a table; what is undefined or a function is left out. */
export function settingsTable(settings: Record<string, unknown>): string {
  const rows = Object.entries(settings)
    .filter(([, value]) => value !== undefined && typeof value !== "function")
    .map(([name, value]) => [name, describe(value)]);
  return rows.length > 0 ? table("Settings", [], rows, false) : "";
}

function describe(value: unknown): string {
  const all = typeof value === "object" && value !== null ? json(value) : String(value);
  return all.length > LONGEST ? `${all.slice(0, LONGEST)}…` : all;
}

// A setting may hold weights (a whole SAE to start from): their size says enough.
function json(value: object): string {
  try {
    return JSON.stringify(value, (_, part) => {
      if (ArrayBuffer.isView(part)) {
        const size = (part as Float32Array).length ?? part.byteLength;
        return `${part.constructor.name}(${size})`;
      }
      return typeof part === "bigint" ? String(part) : part;
    });
  } catch {
    return String(value);
  }
}
