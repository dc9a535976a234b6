import type { Decomposition } from "../meta/decompose.ts";
import { latentsOf } from "../meta/read_decomposition.ts";
import type { Progress } from "../progress.ts";
import { type Chat, ChatError } from "./chat.ts";
import type { Dashboards } from "./dashboards.ts";
import { explainingHalf } from "./example_text.ts";
import { cleanAnswer, explainMetaQuestion } from "./explain_latents.ts";
import { mapPooled } from "./map_pooled.ts";
import { type TokenCounts, tokenLabel } from "./token_label.ts";

/** What a meta-latent stands for, in words. */
export interface MetaExplanation {
  /** Its number. */
  metaLatent: number;
  /** The words. */
  text: string;
  /** "tokens", or the name of the model that they are from. */
  source: string;
  /** The latents that it was made from, the largest weight first. */
  latents: number[];
  /** Why there is no text, where the endpoint failed for this meta-latent alone. */
  problem?: string;
}

/** Latents that a meta-latent is explained from (A.8.2: five). */
const LATENTS = 5;
const AT_ONCE = 16;

/**
 * Asks a model what meta-latents stand for, from the explanations and contexts of the five latents that use each
 * most, among those that have an explanation (A.8.2).
 *
 * @param explanations What latents stand for, by number.
 * @returns One explanation for each meta-latent that an explained latent uses.
 * @throws {ChatError} The endpoint fails for all questions.
 */
export function explainMetaLatents(
  chat: Chat,
  decomposition: Decomposition,
  dashboards: Pick<Dashboards, "read">,
  explanations: ReadonlyMap<number, string>,
  { source, seed = 0, onProgress }: {
    /** Name of the model that answers. */
    source: string;
    /** Seed of what is kept for tests (default 0). */
    seed?: number;
    /** Called after each meta-latent. */
    onProgress?: (progress: Progress) => void;
  },
): Promise<MetaExplanation[]> {
  const used = usedMetaLatents(decomposition, explanations);
  let done = 0;
  return mapPooled(used, AT_ONCE, async ({ metaLatent, latents }) => {
    const shown = latents.map((latent) => ({
      dashboard: dashboards.read(latent),
      text: explanations.get(latent)!,
    }));
    const found: MetaExplanation = { metaLatent, text: "", source, latents };
    try {
      const question = explainMetaQuestion(shown, { count: LATENTS, seed })!;
      found.text = cleanAnswer(await chat.ask(question));
    } catch (error) {
      if (!(error instanceof ChatError && error.onlyThis)) throw error;
      found.problem = error.message;
    }
    onProgress?.({ phase: "explaining meta-latents", done: ++done, total: used.length });
    return found;
  });
}

/**
 * Labels meta-latents by the tokens of the contexts of the five latents that use each most, among those that have a
 * label: a statistic.
 *
 * @param labels Labels of latents, by number.
 * @param background Tokens of the texts: what labels are told from.
 */
export function labelMetaLatents(
  decomposition: Decomposition,
  dashboards: Pick<Dashboards, "read">,
  labels: ReadonlyMap<number, string>,
  background: TokenCounts,
  { seed = 0 }: { seed?: number } = {},
): MetaExplanation[] {
  return usedMetaLatents(decomposition, labels).map(({ metaLatent, latents }) => {
    const halves = latents.map((latent) => explainingHalf(dashboards.read(latent), seed));
    const joined = {
      latent: metaLatent,
      top: halves.flatMap(({ top }) => top),
      intervals: [],
    };
    const { text } = tokenLabel(joined, background);
    return { metaLatent, text, source: "tokens", latents };
  });
}

function usedMetaLatents(
  decomposition: Decomposition,
  texts: ReadonlyMap<number, string>,
): { metaLatent: number; latents: number[] }[] {
  const count = decomposition.metaLatents.rows;
  return Array.from({ length: count }, (_, metaLatent) => ({
    metaLatent,
    latents: latentsOf(decomposition, metaLatent).map(({ latent }) => latent)
      .filter((latent) => (texts.get(latent) ?? "") !== "").slice(0, LATENTS),
  })).filter(({ latents }) => latents.length > 0);
}
