import { writable } from "../report/escape.ts";

/** A token's text as a line of text shows it: line breaks and tabs become signs, control characters pictures. */
export function readable(text: string): string {
  return writable(text).replace(/\r\n|\n|\r/g, "↵").replaceAll("\t", "⇥");
}
