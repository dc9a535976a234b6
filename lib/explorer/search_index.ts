import type { DashboardRecord } from "./dashboard_record.ts";
import { gunzip, gzip } from "./gzip.ts";

/** Index for searches by token and label. One file for all latents, so that a search reads no shard. */
export interface SearchIndex {
  /** Texts of tokens, each once. */
  tokens: string[];
  /** Per latent, indices in `tokens` of the peaks of its contexts, the most frequent first. */
  peaks: number[][];
  /** Per latent, indices in `tokens` of the tokens whose logits it raises most. */
  promoted: number[][];
  /** Label per latent, "" if there is none. */
  labels: string[];
  /** Labels of the meta-latents by index, null if there is none. */
  metaLabels?: (MetaLabel | null)[];
}

/** Label or explanation of a meta-latent. */
export interface MetaLabel {
  /** The text. */
  text: string;
  /** "tokens" for a statistic of tokens, or the name of the model that wrote it. */
  source: string;
}

const MOST_TOKENS = 6;
// 98,304 latents with 12 tokens and a label of 100 characters each have some 15 million characters.
const MOST = 2 ** 28;

/** Collects a {@linkcode SearchIndex} from records, in order. */
export function collectSearch(): {
  add(record: DashboardRecord): void;
  /** The file's content, with labels of meta-latents if given. */
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
 * Reads the file of {@linkcode collectSearch}.
 *
 * @throws {Error} It is damaged, or has another number of latents.
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
