import type { SearchIndex } from "../search_index.ts";

const plain = (text: string): string => text.trim().toLocaleLowerCase();

/**
 * How well each latent fits what was typed, 0 where it does not: every word must be found. A token where
 * the latent has its peaks counts 4, a word of its label 3, a token that it promotes 2; a part of them 1.
 */
export function searchLatents(index: SearchIndex, typed: string): Float32Array {
  const scores = new Float32Array(index.labels.length);
  const words = plain(typed).split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return scores;
  const found = words.map((word) => {
    // 1: a part, 2: the whole token.
    const fits = Uint8Array.from(index.tokens, (token) => {
      const own = plain(token);
      return own === word ? 2 : word.length > 1 && own.includes(word) ? 1 : 0;
    });
    return { word, fits };
  });
  for (let place = 0; place < scores.length; place++) {
    const label = plain(index.labels[place]);
    let sum = 0;
    for (const { word, fits } of found) {
      let best = 0;
      for (const token of index.peaks[place]) best = Math.max(best, [0, 1, 4][fits[token]] ?? 0);
      for (const token of index.promoted[place]) best = Math.max(best, [0, 1, 2][fits[token]] ?? 0);
      const at = label.indexOf(word);
      if (at >= 0) {
        const whole = !/\p{L}/u.test(label[at - 1] ?? " ") &&
          !/\p{L}/u.test(label[at + word.length] ?? " ");
        best = Math.max(best, whole ? 3 : 1);
      }
      if (best === 0) {
        sum = 0;
        break;
      }
      sum += best;
    }
    scores[place] = sum;
  }
  return scores;
}
