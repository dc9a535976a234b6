import { read, when } from "./define.ts";

// Columns of a product: all latents of a shard, or those in a list {count, latents ascending}.

/** Binding of the list. */
export const list = <Listed extends boolean>(listed: Listed) => when(listed, read("u32"));

/** Declares the function that {@linkcode countColumns} calls. */
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
 * WGSL that declares `begin`, the index of the shard's first column among all columns, `cols`, its number of
 * columns, and `total`, the number of all columns. The shard has `latents` of `all` latents, from `first` on.
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
