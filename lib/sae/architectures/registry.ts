import { batchtopk } from "./batchtopk.ts";
import type { Descriptor, OptionText } from "./descriptor.ts";
import { jumprelu, type JumpReluOptions } from "./jumprelu.ts";
import type { LargestOptions } from "./largest.ts";
import { matryoshkaBatchtopk } from "./matryoshka_batchtopk.ts";
import type { PenalizedOptions } from "./penalized.ts";
import { relu } from "./relu.ts";
import { topk } from "./topk.ts";

/** Every architecture by its name, with its own options of training. */
export interface Architectures {
  /** All pre-activations that are positive. */
  relu: PenalizedOptions;
  /** The k largest of each sample. */
  topk: LargestOptions;
  /** The n·k largest of a batch. */
  batchtopk: LargestOptions;
  /** All above a learned threshold per latent. */
  jumprelu: JumpReluOptions;
  /** As batchtopk; nested prefixes of the dictionary reconstruct too. */
  matryoshka_batchtopk: LargestOptions & {
    /**
     * matryoshka_batchtopk: number of latents of each prefix of the dictionary that reconstructs by itself,
     * ascending, the last with all (default: m/16, m/8, m/4, m/2 and m).
     */
    prefixes?: number[];
  };
}

/** How an SAE selects its active latents. */
export type Architecture = keyof Architectures;

const REGISTRY: { readonly [Name in Architecture]: Descriptor<Architectures[Name]> } = {
  relu,
  topk,
  batchtopk,
  jumprelu,
  matryoshka_batchtopk: matryoshkaBatchtopk,
};

/** Options of training that not all architectures have. */
export type OwnOptions = { [Name in Architecture]: (own: Architectures[Name]) => void } extends
  Record<Architecture, (own: infer All) => void> ? All : never;

/** Names of the architectures. */
export const ARCHITECTURES = Object.keys(REGISTRY) as readonly Architecture[];

/**
 * What is known of an architecture.
 *
 * @throws {RangeError} There is none of that name.
 */
export function architectureOf(name: Architecture): Descriptor<OwnOptions> {
  if (!Object.hasOwn(REGISTRY, name)) {
    const known = ARCHITECTURES.map((each) => `"${each}"`);
    throw new RangeError(
      `architecture is ${name}, expected ${known.slice(0, -1).join(", ")} or ${known.at(-1)}`,
    );
  }
  return REGISTRY[name] as Descriptor<OwnOptions>;
}

/** Options that not all architectures have, as the command line names them. */
export const OWN_OPTIONS: Readonly<Record<keyof OwnOptions, OptionText>> = Object.assign(
  {},
  ...ARCHITECTURES.map((name) => REGISTRY[name].options),
);

/** Whether an architecture has an option of {@linkcode OWN_OPTIONS}; one that there is not has none. */
export const hasOwnOption = (name: string, option: string): boolean =>
  Object.hasOwn(REGISTRY, name) && Object.hasOwn(REGISTRY[name as Architecture].options, option);
