import { findTextFiles } from "./find_text_files.ts";
import { readRecords } from "./text_records.ts";

/** Texts of which each has a label: what probes are trained on. */
export interface LabelledTexts {
  /** The texts. */
  texts: string[];
  /** The label of each. */
  labels: string[];
}

/** Options of {@linkcode readLabelledTexts}. */
export interface LabelledTextOptions {
  /** Field or column of the text (default "text"). */
  textField?: string;
  /** Field or column of the label (default "label"); numbers and truth values become strings. */
  labelField?: string;
}

/**
 * Reads labelled texts from .jsonl, .csv (both also .gz) and .parquet files. They are held in memory.
 *
 * @param pathOrGlob A file, a folder, a glob, or several of them.
 * @throws {Error} Nothing matches, a file cannot be read or is a .txt file, or a record lacks a field.
 */
export async function readLabelledTexts(
  pathOrGlob: string | string[],
  { textField = "text", labelField = "label" }: LabelledTextOptions = {},
): Promise<LabelledTexts> {
  const texts: string[] = [];
  const labels: string[] = [];
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "txt") {
      throw new Error(`${file.path} has no labels: expected .jsonl, .csv or .parquet`);
    }
    for await (const [text, label] of readRecords(file, [textField, labelField])) {
      texts.push(text);
      labels.push(label);
    }
  }
  return { texts, labels };
}
