import type { LatentExamples } from "../interpretation/top_examples.ts";
import type { Decomposition } from "../meta/decompose.ts";
import { latentsOf } from "../meta/read_decomposition.ts";
import { visibleToken } from "./latent_card.ts";

/** Where latents are active in texts, by their numbers; empty where no text was read. */
export type Contexts = ReadonlyMap<number, LatentExamples>;

// Three words fill a box of a graph.
const WORDS = 3;

/** The tokens at which a latent peaks, strongest first, each once: “ walk” “ run”. */
export function peakTokens(latent: number, contexts: Contexts): string[] {
  const examples = contexts.get(latent)?.examples ?? [];
  const tokens = examples.map(({ tokens, peak }) => visibleToken(tokens[peak].trim() || "␣"));
  return [...new Set(tokens)].slice(0, WORDS).map((token) => `“${token}”`);
}

/** "12 “walk” “run”": a latent's number and the tokens at which it peaks. */
export function latentLabel(latent: number, contexts: Contexts): string {
  return [latent, ...peakTokens(latent, contexts)].join(" ");
}

/** "M3 “walk” “Berlin”": a meta-latent's number and the first token of its strongest latents each. */
export function metaLatentLabel(
  metaLatent: number,
  decomposition: Decomposition,
  contexts: Contexts,
): string {
  const words = new Set<string>();
  for (const { latent } of latentsOf(decomposition, metaLatent)) {
    if (words.size === WORDS || contexts.size === 0) break;
    const [first] = peakTokens(latent, contexts);
    if (first !== undefined) words.add(first);
  }
  return [`M${metaLatent}`, ...words].join(" ");
}
