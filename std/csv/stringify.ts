/** A value of a row cannot be written, or the options do not fit the rows. */
export class StringifyError extends Error {
  /** Makes an error with a message. */
  constructor(message?: string) {
    super(message);
    this.name = "StringifyError";
  }
}

/** Options of {@linkcode stringify}. */
export interface StringifyOptions {
  /** Whether to write the column names first; true if not given. */
  headers?: boolean;
  /** The character between fields; "," if not given. */
  separator?: string;
  /** Keys of the rows, in order; required where rows are objects. */
  columns?: readonly (string | number)[];
  /** Whether to begin with a byte-order mark. */
  bom?: boolean;
}

/** Writes rows as CSV (RFC 4180, lines end in CR LF). */
export function stringify(
  data: readonly (Readonly<Record<string, unknown>> | readonly unknown[])[],
  options: StringifyOptions = {},
): string {
  const { headers = true, separator = ",", columns = [], bom = false } = options;
  if (separator.includes('"') || separator.includes("\r\n")) {
    throw new StringifyError("Separator cannot include double quote or CRLF");
  }
  let output = bom ? "\ufeff" : "";
  const line = (values: readonly unknown[]) => {
    output += values.map((value) => field(value, separator)).join(separator) + "\r\n";
  };
  if (headers && columns.length > 0) line(columns);
  for (const row of data) {
    if (columns.length > 0) {
      line(columns.map((key) => (row as Record<string | number, unknown>)[key]));
    } else if (Array.isArray(row)) {
      line(row);
    } else {
      throw new StringifyError("No property accessor function was provided for object");
    }
  }
  return output;
}

function field(value: unknown, separator: string): string {
  const text = value === undefined || value === null
    ? ""
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
  return text.includes(separator) || /["\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
