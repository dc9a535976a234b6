import { batchtopk } from "./batchtopk.ts";
import type { Descriptor, OptionText } from "./descriptor.ts";
import { jumprelu } from "./jumprelu.ts";
import type { Architecture, Architectures, OwnOptions } from "./own_options.ts";
import { matryoshkaBatchtopk } from "./matryoshka_batchtopk.ts";
import { relu } from "./relu.ts";
import { topk } from "./topk.ts";

const REGISTRY: { readonly [Name in Architecture]: Descriptor<Architectures[Name]> } = {
  relu,
  topk,
  batchtopk,
  jumprelu,
  matryoshka_batchtopk: matryoshkaBatchtopk,
};

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
