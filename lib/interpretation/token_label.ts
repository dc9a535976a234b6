import type { LatentDashboard } from "./dashboards.ts";
import type { ReadableModel } from "./encode_rows.ts";

/** Tokens that distinguish a latent's contexts: a statistic, not an explanation. */
export interface TokenLabel {
  /** Number of the latent. */
  latent: number;
  /** Up to three tokens, such as `cat` · `dog`; with “after” and the token before, where that says more. */
  text: string;
  /** The tokens. */
  tokens: string[];
  /** Whether they are those before the ones where the latent is active. */
  after: boolean;
  /** Share of the contexts that they are in. */
  share: number;
}

/** Times that tokens are in texts that were chosen at random. */
export interface TokenCounts {
  /** Times that each text of a token was there. */
  counts: ReadonlyMap<string, number>;
  /** All tokens. */
  total: number;
}

/** Counts tokens: what labels are told from. */
export function countTokens(tokens: Iterable<string>): TokenCounts {
  const counts = new Map<string, number>();
  let total = 0;
  for (const token of tokens) {
    counts.set(token, (counts.get(token) ?? 0) + 1);
    total++;
  }
  return { counts, total };
}

/** Counts the tokens of rows spread over the text, some 200,000 of them. The first of a row, BOS, is left out. */
export function countTokenRows(
  model: Pick<ReadableModel, "tokenText">,
  rows: readonly Int32Array[],
): TokenCounts {
  const words = new Map<number, string>();
  const step = Math.max(1, Math.floor(rows.length * (rows[0]?.length ?? 0) / 200_000));
  const all = function* () {
    for (let r = 0; r < rows.length; r += step) {
      for (const token of rows[r].subarray(1)) {
        const word = words.get(token) ?? model.tokenText(token);
        words.set(token, word);
        yield word;
      }
    }
  };
  return countTokens(all());
}

/**
 * A label from tokens alone: those at the peaks of the latent's contexts, or where these differ more, the tokens just
 * before, with the largest share · log(share / share in all texts).
 *
 * @param background Tokens of the texts.
 * @returns A label without text where the latent has no contexts.
 */
export function tokenLabel(
  dashboard: Pick<LatentDashboard, "latent" | "top" | "intervals">,
  background: TokenCounts,
): TokenLabel {
  const contexts = [
    ...dashboard.top,
    ...dashboard.intervals.slice(Math.floor(dashboard.intervals.length / 2))
      .flatMap(({ samples }) => samples),
  ];
  const at = rankTokens(contexts.map(({ tokens, peak }) => tokens[peak]), background);
  const before = rankTokens(
    contexts.filter(({ peak }) => peak > 0).map(({ tokens, peak }) => tokens[peak - 1]),
    background,
  );
  // What comes before must say clearly more, since it is not where the latent is active.
  const after = before.gain > 1.5 * at.gain;
  const { tokens, share } = after ? before : at;
  const quoted = tokens.map((token) =>
    `“${token.trim() === "" ? JSON.stringify(token).slice(1, -1) : token.trim()}”`
  );
  const text = quoted.length === 0
    ? ""
    : `${after ? "after " : ""}${[...new Set(quoted)].join(" · ")}`;
  return { latent: dashboard.latent, text, tokens, after, share };
}

function rankTokens(
  seen: readonly string[],
  { counts, total }: TokenCounts,
): { tokens: string[]; share: number; gain: number } {
  const own = countTokens(seen);
  const gains = [...own.counts].map(([token, count]) => {
    const share = count / own.total;
    // One more in all texts than was counted: a token that they lack is not infinitely rare there.
    return {
      token,
      count,
      gain: share * Math.log(share * (total + 1) / ((counts.get(token) ?? 0) + 1)),
    };
  }).filter(({ gain }) => gain > 0)
    .sort((a, b) => b.gain - a.gain || (a.token < b.token ? -1 : 1)).slice(0, 3);
  return {
    tokens: gains.map(({ token }) => token),
    share: gains.reduce((sum, { count }) => sum + count, 0) / Math.max(1, own.total),
    gain: gains.reduce((sum, { gain }) => sum + gain, 0),
  };
}
