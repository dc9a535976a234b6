import { CsvReader } from "./reader.ts";

/** Options of {@linkcode parse}. */
export interface ParseOptions {
  /** The character between fields; "," if not given. */
  separator?: string;
  /** Whether to leave out the first row (and take column names from it, if `columns` is absent). */
  skipFirstRow?: boolean;
  /** Names of the columns: makes each row an object. */
  columns?: readonly string[];
}

/** Options of {@linkcode CsvParseStream}. */
export type CsvParseStreamOptions = ParseOptions;

/** A row: an object of columns where names are known, else an array of fields. */
export type RowType<T> = T extends { columns: readonly (infer C extends string)[] }
  ? Record<C, string>
  : T extends { skipFirstRow: true } ? Record<string, string>
  : string[];

/** Parses CSV text (RFC 4180) into rows. */
export function parse<const T extends ParseOptions>(
  input: string,
  options: T = {} as T,
): RowType<T>[] {
  const toRow = rowMaker(options);
  const reader = new CsvReader(options.separator);
  const rows = [...reader.push(input), ...reader.end()];
  return rows.map(toRow).filter((row) => row !== undefined) as RowType<T>[];
}

/** Parses a stream of CSV text into a stream of rows. */
export class CsvParseStream<const T extends CsvParseStreamOptions | undefined = undefined>
  implements TransformStream<string, RowType<T>> {
  /** The rows. */
  readonly readable: ReadableStream<RowType<T>>;
  /** The text, cut anywhere. */
  readonly writable: WritableStream<string>;

  /** Makes a stream. */
  constructor(options?: T) {
    const toRow = rowMaker(options ?? {});
    const reader = new CsvReader(options?.separator);
    const emit = (
      rows: Iterable<string[]>,
      controller: TransformStreamDefaultController<RowType<T>>,
    ) => {
      for (const fields of rows) {
        const row = toRow(fields);
        if (row !== undefined) controller.enqueue(row as RowType<T>);
      }
    };
    const transform = new TransformStream<string, RowType<T>>({
      transform: (chunk, controller) => emit(reader.push(chunk), controller),
      flush: (controller) => emit(reader.end(), controller),
    });
    this.readable = transform.readable;
    this.writable = transform.writable;
  }
}

function rowMaker(
  options: ParseOptions,
): (fields: string[]) => string[] | Record<string, string> | undefined {
  let columns = options.columns;
  let index = -1;
  return (fields) => {
    index++;
    if (index === 0 && options.skipFirstRow) {
      columns ??= fields;
      return undefined;
    }
    if (!columns) return fields;
    if (fields.length !== columns.length) {
      throw new SyntaxError(
        `Syntax error on line ${
          index + 1
        }: The record has ${fields.length} fields, but the header has ${columns.length} fields`,
      );
    }
    return Object.fromEntries(columns.map((name, i) => [name, fields[i]]));
  };
}
