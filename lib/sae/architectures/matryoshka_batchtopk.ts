import { NESTED_LOOPS, nestErrors, samplesOfPrefixes } from "../../ops/nested_errors.ts";
import { batchtopk } from "./batchtopk.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Architectures } from "./own_options.ts";
import { isWhole } from "../../whole_number.ts";

/**
 * Matryoshka BatchTopK (Bussmann, Nabeshima, Karvonen and Nanda, "Learning Multi-Level Features with
 * Matryoshka Sparse Autoencoders", 2025): selection, auxiliary loss and inference are BatchTopK's, but every
 * prefix of the dictionary has to reconstruct by itself, with those of the selected latents that are in
 * it; the reconstruction loss is the mean over prefixes. First latents become general ones, which later
 * ones refine.
 */
export const matryoshkaBatchtopk: Descriptor<Architectures["matryoshka_batchtopk"]> = {
  ...batchtopk,
  summary: "as batchtopk, nested prefixes of the dictionary reconstruct too",
  saeLens: { saved: "jumprelu", read: ["matryoshka_batchtopk"] },
  options: {
    ...batchtopk.options,
    prefixes: {
      flag: "prefixes",
      value: "M,M,…",
      help:
        "latents of each nested prefix, ascending, the last with all (default: m/16, m/8, m/4, " +
        "m/2, m)",
      list: true,
    },
  },
  loops: NESTED_LOOPS,
  defaults: (options, given) => ({
    ...batchtopk.defaults(options, given),
    prefixes: options.prefixes ?? defaultPrefixes(given.dictSize),
  }),
  check(settings) {
    batchtopk.check(settings);
    checkPrefixes(settings.prefixes, settings.dictSize);
    if (settings.lossNormalization !== "none") {
      throw new RangeError(
        `lossNormalization is ${settings.lossNormalization}, expected "none" for matryoshka_batchtopk`,
      );
    }
  },
  describe: ({ prefixes }) => ({ prefixes }),
  // Errors of prefixes and of the auxiliary loss, and the sample of each entry.
  extraNumbers: ({ prefixes }, { rows, cols, entries, auxiliary }) => {
    const errors = rows * (prefixes!.length + (auxiliary ? 1 : 0));
    return errors * (cols + 1) + rows * prefixes!.length + entries;
  },
  divideErrors(p, { prefixes, dictSize }, errors) {
    const { rows, sparse: { capacity } } = errors;
    const ends = prefixes!;
    const shape = { dictSize, rows, prefixes: ends.length, capacity };
    return {
      ...nestErrors(p, { ...errors, ends }),
      findSamples: (p, columns) => samplesOfPrefixes(p, { columns, ...shape }),
    };
  },
};

/**
 * Each prefix doubles the one before, so that every level adds as much as there was. Five of them: the errors
 * of each take n·d numbers, and a first level below m/16 has hardly any share of k.
 */
function defaultPrefixes(m: number): number[] {
  const all = [16, 8, 4, 2, 1].map((part) => Math.floor(m / part));
  return all.filter((prefix, at) => prefix > 0 && prefix !== all[at - 1]);
}

function checkPrefixes(prefixes: unknown, dictSize: number): void {
  if (!Array.isArray(prefixes) || prefixes.length === 0) {
    throw new RangeError(`prefixes is ${prefixes}, expected a list of whole numbers`);
  }
  for (const [at, prefix] of prefixes.entries()) {
    const before = at === 0 ? 0 : prefixes[at - 1];
    if (!isWhole(prefix, before + 1)) {
      throw new RangeError(
        `prefixes[${at}] is ${prefix}, expected a whole number above ${before}`,
      );
    }
  }
  const last = prefixes[prefixes.length - 1];
  if (last !== dictSize) {
    throw new RangeError(`prefixes ends with ${last}, expected the dictionary size, ${dictSize}`);
  }
}
