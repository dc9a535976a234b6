import { writable } from "../report/escape.ts";

/** A token's text for one line: line breaks, tabs and control characters become visible symbols. */
export function readable(text: string): string {
  return writable(text).replace(/\r\n|\n|\r/g, "↵").replaceAll("\t", "⇥");
}
