import { findTextFiles } from "./find_text_files.ts";
import { readRecords } from "./text_records.ts";

/** Texts with labels, for training probes. */
export interface LabelledTexts {
  /** The texts. */
  texts: string[];
  /** The label of each. */
  labels: string[];
  /** The group of each text, such as its document; only where a group field was named. */
  groups?: string[];
}

/** Options of {@linkcode readLabelledTexts}. */
export interface LabelledTextOptions {
  /** Field or column of the text (default "text"). */
  textField?: string;
  /** Field or column of the label (default "label"); numbers and booleans become strings. */
  labelField?: string;
  /** Field or column of a text's group, such as its document. */
  groupField?: string;
}

/**
 * Reads labelled texts from .jsonl, .csv (both also .gz) and .parquet files into memory.
 *
 * @param pathOrGlob A file, a folder, a glob, or several of them.
 * @throws {Error} Nothing matches, a file cannot be read or is a .txt file, or a record lacks a field.
 */
export async function readLabelledTexts(
  pathOrGlob: string | string[],
  { textField = "text", labelField = "label", groupField }: LabelledTextOptions = {},
): Promise<LabelledTexts> {
  const texts: string[] = [];
  const labels: string[] = [];
  const groups: string[] = [];
  const fields = [textField, labelField, ...(groupField === undefined ? [] : [groupField])];
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "txt") {
      throw new Error(`${file.path} has no labels: expected .jsonl, .csv or .parquet`);
    }
    for await (const [text, label, group] of readRecords(file, fields)) {
      texts.push(text);
      labels.push(label);
      groups.push(group);
    }
  }
  return groupField === undefined ? { texts, labels } : { texts, labels, groups };
}
