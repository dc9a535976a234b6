import type { InterpolationOrder, SaeCollection } from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";
import { checkWhole } from "./options.ts";

/** How SAEs are studied in pairs. */
export interface StudyOptions {
  /** θ of Eq. 6. */
  threshold: number;
  /** Order of the insertions. */
  order: InterpolationOrder;
  /** Seed of what is drawn. */
  seed: number;
  /** Most samples. */
  samples: number;
}

/**
 * Reads how SAEs are to be studied.
 *
 * @param collection Where the SAEs are from: it has a threshold of its own.
 * @throws {UsageError} A value does not fit.
 */
export function studyOptions(options: Arguments, collection?: SaeCollection): StudyOptions {
  const threshold = options.number("threshold") ?? collection?.threshold ?? 0.7;
  if (!(threshold >= -1 && threshold <= 1)) {
    throw new UsageError(`--threshold is ${threshold}, expected a cosine from -1 to 1`);
  }
  const order = options.text("order") ?? "benefit";
  if (order !== "benefit" && order !== "cosine" && order !== "random") {
    throw new UsageError(`--order is ${order}, expected benefit, cosine or random`);
  }
  checkWhole(options, ["samples"], 1);
  checkWhole(options, ["examples"], 0);
  const seed = options.number("seed") ?? 0;
  if (!Number.isSafeInteger(seed)) {
    throw new UsageError(`--seed is ${seed}, expected a whole number`);
  }
  return { threshold, order, seed, samples: options.number("samples") ?? 50_000 };
}
