import type { SplicedModel } from "../../lib/evaluation/evaluate_cross_entropy.ts";

/** Any function of two losses will do for a model that has no distributions. */
export const divergenceOf = (own: number, spliced: number): number => Math.abs(spliced - own) + own;

/** A made model with `spliceLosses`, from its losses one by one. */
export function withSpliceLosses<T extends Omit<SplicedModel, "spliceLosses">>(
  model: T,
): T & SplicedModel {
  return {
    ...model,
    async spliceLosses(tokens, rows, replacements, given) {
      const own = await model.crossEntropy(tokens, rows, given);
      const spliced = [];
      for (const replacement of replacements) {
        const loss = await model.crossEntropy(tokens, rows, replacement);
        spliced.push({ loss, divergence: loss.map((one, at) => divergenceOf(own[at], one)) });
      }
      return { own, spliced };
    },
  };
}
