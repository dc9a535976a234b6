// What architectures share that keep all latents above a threshold, and have a sparsity loss instead of a k.
import type { SelectionRule } from "../../ops/select_active.ts";
import { checkWhole } from "../../whole_number.ts";
import { checkNumber } from "../check_numbers.ts";
import type { OptionText, SelectionBuffers } from "./descriptor.ts";
import type { PenalizedOptions } from "./own_options.ts";

/** Their names on the command line. */
export const PENALIZED_OPTIONS: Readonly<Record<keyof PenalizedOptions, OptionText>> = {
  targetL0: {
    flag: "target-l0",
    value: "K",
    help: "active latents per sample to end with; steers λ",
  },
  sparsityCoefficient: {
    flag: "sparsity",
    value: "X",
    help: "weight of the sparsity loss (λ), in place of --target-l0",
  },
  sparsityWarmupSteps: {
    flag: "sparsity-warmup-steps",
    value: "N",
    help: "over which that λ rises from 0 (default 0: it does not)",
  },
};

/** What they share of a descriptor. */
export const PENALIZED = {
  k: "none",
  // Without an auxiliary loss that would revive latents a smaller one suits.
  rateFactor: 1 / 2,
  defaults: (
    { sparsityCoefficient, targetL0, sparsityWarmupSteps }: PenalizedOptions,
  ): PenalizedOptions => ({
    sparsityCoefficient: sparsityCoefficient ?? NaN,
    targetL0,
    sparsityWarmupSteps: sparsityWarmupSteps ?? 0,
  }),
  describe: (
    { targetL0, sparsityCoefficient, sparsityWarmupSteps }: PenalizedOptions,
  ): Record<string, unknown> =>
    targetL0 === undefined ? { sparsityCoefficient, sparsityWarmupSteps } : { targetL0 },
  mostActive: ({ dictSize }: { dictSize: number }): number => dictSize,
  rule: (_: object, { penalties, jump }: SelectionBuffers): SelectionRule => ({
    by: "ragged",
    penalties,
    jump,
  }),
} as const;

/** One of λ and a target L0, and what goes with it. */
export function checkPenalized(
  architecture: string,
  settings: PenalizedOptions & { dictSize: number },
): void {
  const { sparsityCoefficient, targetL0, dictSize, sparsityWarmupSteps } = settings;
  if (targetL0 === undefined) {
    if (Number.isNaN(sparsityCoefficient)) {
      throw new RangeError(
        `${architecture} needs targetL0, active latents per sample to end with, or sparsityCoefficient (λ)`,
      );
    }
    checkNumber(sparsityCoefficient!, 0, "sparsityCoefficient");
  } else if (!(targetL0 > 0 && targetL0 < dictSize)) {
    throw new RangeError(
      `targetL0 is ${targetL0}, expected a number above 0 and below dictSize, ${dictSize}`,
    );
  } else if (!Number.isNaN(sparsityCoefficient)) {
    throw new RangeError(
      `sparsityCoefficient is ${sparsityCoefficient} and targetL0 ${targetL0}: expected one of them, as ` +
        `the second steers λ`,
    );
  } else if (sparsityWarmupSteps! > 0) {
    throw new RangeError(
      `sparsityWarmupSteps is ${sparsityWarmupSteps}, but targetL0 steers λ from the first step: expected ` +
        `one of them`,
    );
  }
  if (sparsityWarmupSteps !== 0) checkWhole(sparsityWarmupSteps!, "sparsityWarmupSteps");
}
