// What architectures share that keep a given number of largest pre-activations.
import { checkK, checkNumber } from "../check_numbers.ts";
import type { Sae } from "../sae.ts";
import type { OptionText } from "./descriptor.ts";

/** Options of architectures with a given number of active latents. */
export interface LargestOptions {
  /**
   * topk, batchtopk and its variants: active latents per sample, on average except for topk (default: that of
   * `initial`).
   */
  k?: number;
  /** The same: α, weight of the auxiliary loss (default 1/4; the paper has 1/32; 0 turns it off). */
  auxCoefficient?: number;
}

/** Their names on the command line. */
export const LARGEST_OPTIONS: Readonly<Record<keyof LargestOptions, OptionText>> = {
  k: { flag: "k", value: "K", help: "active latents per sample (all but topk: on average)" },
  auxCoefficient: {
    flag: "aux-coefficient",
    value: "X",
    help: "weight of the auxiliary loss (default 1/4)",
  },
};

/** What they share of a descriptor. */
export const LARGEST = {
  rateFactor: 1,
  defaults: (
    { k, auxCoefficient }: LargestOptions,
    { initial }: { initial?: Sae },
  ): LargestOptions => ({
    k: k ?? initial?.k ?? NaN,
    auxCoefficient: auxCoefficient ?? 1 / 4,
  }),
  check({ k, auxCoefficient, dictSize }: LargestOptions & { dictSize: number }): void {
    checkK(k!, dictSize);
    checkNumber(auxCoefficient!, 0, "auxCoefficient");
  },
  describe: (): Record<string, unknown> => ({}),
  mostActive: ({ k }: LargestOptions): number => Math.ceil(k!),
} as const;
