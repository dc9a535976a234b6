import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { regularFileSize } from "../language_model/regular_file.ts";
import { missingField } from "./missing_field.ts";

/** Rows that are decoded at once; 1,000 rows of long texts are some MB. */
const ROWS = 1000;

/**
 * Columns of each row of a Parquet file, in order, as strings; numbers and booleans are converted.
 *
 * @throws {Error} While rows are read: the file is not Parquet, lacks a column, or a value is not a
 * string, number or boolean. The message names file and row.
 */
export async function* readParquet(
  path: string,
  columns: readonly string[],
): AsyncGenerator<string[]> {
  regularFileSize(path);
  const damaged = (error: unknown) =>
    new Error(`${path} cannot be read as Parquet: ${(error as Error).message}`, { cause: error });
  let file: Awaited<ReturnType<typeof asyncBufferFromFile>>;
  let metadata: Awaited<ReturnType<typeof parquetMetadataAsync>>;
  try {
    file = await asyncBufferFromFile(path);
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    throw damaged(error);
  }
  // The first element of the schema is its root.
  const names = metadata.schema.slice(1).map(({ name }) => name);
  for (const column of columns) {
    if (!names.includes(column)) throw missingField(path, "column", column, names);
  }
  const total = Number(metadata.num_rows);
  for (let first = 0; first < total; first += ROWS) {
    const last = Math.min(total, first + ROWS);
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({
        ...{ file, metadata, compressors },
        ...{ columns: [...columns], rowStart: first, rowEnd: last },
      });
    } catch (error) {
      throw damaged(error);
    }
    if (rows.length !== last - first) {
      throw damaged(new Error(`it says ${total} rows, but ends after ${first + rows.length}`));
    }
    for (let r = 0; r < rows.length; r++) {
      yield columns.map((column) =>
        asText(rows[r][column], column, `row ${first + r + 1} of ${path}`)
      );
    }
  }
}

function asText(value: unknown, column: string, where: string): string {
  if (typeof value === "string") return value;
  if (["number", "bigint", "boolean"].includes(typeof value)) return String(value);
  const found = value === null || value === undefined
    ? "empty"
    : `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
  throw new Error(`column "${column}" is ${found}, expected a string, in ${where}`);
}
