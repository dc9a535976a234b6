// What architectures share that keep a given number of largest pre-activations.
import { checkK, checkNumber } from "../check_numbers.ts";
import type { Sae } from "../sae.ts";
import type { OptionText } from "./descriptor.ts";
import type { LargestOptions } from "./own_options.ts";

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
