import type { DashboardRecord } from "./dashboard_record.ts";
import { gunzip, gzip } from "./gzip.ts";

/** What latents are searched by. One file for all of them: no shard is read for a search. */
export interface SearchIndex {
  /** Texts of tokens, each once. */
  tokens: string[];
  /** Tokens (places in `tokens`) of each latent: where its contexts have their peaks, most frequent first. */
  peaks: number[][];
  /** Tokens that each latent raises the logits of most. */
  promoted: number[][];
  /** Labels, "" where there is none. */
  labels: string[];
  /** Labels of the meta-latents by number, null where there is none. */
  metaLabels?: (MetaLabel | null)[];
}

/** Words for a meta-latent. */
export interface MetaLabel {
  /** The words. */
  text: string;
  /** "tokens" for a statistic of tokens, or the name of the model that they are from. */
  source: string;
}

const MOST_TOKENS = 6;
// 98,304 latents with 12 tokens and a label of 100 characters each have some 15 million characters.
const MOST = 2 ** 28;

/** Collects a {@linkcode SearchIndex} from records, in the order of their places. */
export function collectSearch(): {
  add(record: DashboardRecord): void;
  /** The file, with labels of meta-latents where there are any. */
  bytes(metaLabels?: ReadonlyMap<number, MetaLabel>): Promise<Uint8Array<ArrayBuffer>>;
} {
  const found: SearchIndex = { tokens: [], peaks: [], promoted: [], labels: [] };
  const numbers = new Map<string, number>();
  const numberOf = (text: string): number => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, found.tokens.length);
    return found.tokens.push(text) - 1;
  };
  return {
    add({ top, logits, label }) {
      const counts = new Map<string, number>();
      for (const { tokens, peak } of top) {
        const text = tokens[peak] ?? "";
        counts.set(text, (counts.get(text) ?? 0) + 1);
      }
      const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_TOKENS);
      found.peaks.push(frequent.map(([text]) => numberOf(text)));
      found.promoted.push(
        (logits?.promoted ?? []).slice(0, MOST_TOKENS).map(([text]) => numberOf(text)),
      );
      found.labels.push(label?.text ?? "");
    },
    bytes(metaLabels) {
      const count = Math.max(-1, ...metaLabels?.keys() ?? []) + 1;
      if (metaLabels && count > 0) {
        found.metaLabels = Array.from({ length: count }, (_, meta) => metaLabels.get(meta) ?? null);
      }
      return gzip(JSON.stringify(found));
    },
  };
}

/**
 * Reads what {@linkcode collectSearch} wrote.
 *
 * @throws {Error} It is damaged, or of another number of latents.
 */
export async function readSearch(
  bytes: Uint8Array<ArrayBuffer>,
  latents: number,
): Promise<SearchIndex> {
  const index: SearchIndex = JSON.parse(await gunzip(bytes, MOST, "search.bin"));
  for (const part of ["peaks", "promoted", "labels"] as const) {
    if (index?.[part]?.length !== latents) {
      throw new Error(
        `search.bin has ${part} of ${index?.[part]?.length} latents, expected ${latents}`,
      );
    }
  }
  return index;
}
