import { read, when } from "./define.ts";

// Columns of a product that are all latents of a shard, or with a list {count, latents, ascending} those of
// them that it names.

/** The list's binding. */
export const list = <Listed extends boolean>(listed: Listed) => when(listed, read("u32"));

/** Declares what {@linkcode countColumns} calls. */
export const findListed = (listed: boolean): string[] =>
  listed
    ? [`fn firstListed(latent: u32) -> u32 {
  var low = 0u;
  var high = list[0];
  while (low < high) {
    let middle = (low + high) / 2u;
    if (list[1u + middle] < latent) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}`]
    : [];

/**
 * Declares `begin`, the place of the shard's first column among all columns, `cols`, how many it has, and
 * `total`, how many there are in all. The shard has `latents` latents from `first` on, of `all`.
 */
export const countColumns = (
  listed: boolean,
  { first = "sizes.first", latents, all = "0u" }: { first?: string; latents: string; all?: string },
): string =>
  listed
    ? `  let begin = firstListed(${first});
  let cols = firstListed(${first} + ${latents}) - begin;
  let total = list[0];`
    : `  let begin = ${first};
  let cols = ${latents};
  let total = ${all};`;

/** The latent of a column. */
export const latentOf = (listed: boolean, column: string): string =>
  listed ? `list[1u + begin + ${column}]` : `(begin + ${column})`;
