import { readable } from "../readable.ts";
import type { SearchIndex } from "../search_index.ts";

/** What a latent is called: its label where the index has one, else the token of its peaks. */
export function nameOf(index: SearchIndex | undefined, place: number | undefined): string {
  if (!index || place === undefined) return "";
  return readable(index.labels[place] || (index.tokens[index.peaks[place]?.[0]] ?? ""));
}

/** The label of a meta-latent, "" where it has none. */
export function nameOfMeta(index: SearchIndex | undefined, meta: number): string {
  return readable(index?.metaLabels?.[meta]?.text ?? "");
}
