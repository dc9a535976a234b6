import type { LatentDashboard } from "./dashboards.ts";
import { hashOf } from "./hash.ts";
import type { LatentExample } from "./latent_example.ts";

/** Contexts of a latent in two halves that have no token row in common. */
export interface SplitExamples {
  /** Those that an explanation is made from: the largest activations first, then samples of intervals. */
  explaining: { top: LatentExample[]; sampled: LatentExample[] };
  /** Those that it is tested on. */
  testing: { top: LatentExample[]; sampled: LatentExample[] };
}

/**
 * Splits a latent's contexts by their rows, each row with the same chance: what tests an explanation was not seen
 * by whoever gave it. Samples go from the interval with the largest activations to that with the smallest, one of
 * each in turn.
 */
export function splitExamples(dashboard: LatentDashboard, seed = 0): SplitExamples {
  const isTest = ({ row }: LatentExample) => hashOf(row, dashboard.latent, seed) % 2 === 1;
  const half = (tested: boolean) => {
    const own = (examples: readonly LatentExample[]) =>
      examples.filter((example) => isTest(example) === tested);
    const intervals = dashboard.intervals.map(({ samples }) => own(samples)).reverse();
    const most = Math.max(0, ...intervals.map(({ length }) => length));
    const sampled = Array.from(
      { length: most },
      (_, i) => intervals.flatMap((samples) => samples.slice(i, i + 1)),
    );
    return { top: own(dashboard.top), sampled: sampled.flat() };
  };
  return { explaining: half(false), testing: half(true) };
}

/** The half of a latent's contexts that an explanation is made from, as a dashboard has them. */
export function explainingHalf(
  dashboard: LatentDashboard,
  seed = 0,
): Pick<LatentDashboard, "latent" | "top" | "intervals"> {
  const isOwn = ({ row }: LatentExample) => hashOf(row, dashboard.latent, seed) % 2 === 0;
  return {
    latent: dashboard.latent,
    top: dashboard.top.filter(isOwn),
    intervals: dashboard.intervals.map((interval) => ({
      ...interval,
      samples: interval.samples.filter(isOwn),
    })),
  };
}

/** Share of an example's largest activation above which a token is marked. */
const MARKED = 0.3;

/** Tokens of an example that are active at more than 0.3 of its peak. */
export function activeTokens({ activations, peak }: LatentExample): number[] {
  const least = MARKED * activations[peak];
  return Array.from(activations.keys()).filter((i) => activations[i] > 0 && activations[i] > least);
}

/**
 * An example on one line, with « and » around runs of chosen tokens. Line ends and such marks in the text itself
 * are written as ↵, < and >.
 */
export function exampleText(example: LatentExample, marked: readonly number[] = []): string {
  const chosen = new Set(marked);
  return example.tokens.map((token, i) => {
    const text = token.replace(/\s*[\r\n]\s*/g, "↵").replaceAll("«", "<").replaceAll("»", ">");
    const opens = chosen.has(i) && !chosen.has(i - 1);
    const closes = chosen.has(i) && !chosen.has(i + 1);
    return `${opens ? "«" : ""}${text}${closes ? "»" : ""}`;
  }).join("");
}

/** Activations of an example's marked tokens as whole numbers from 1 to 10, 10 being the latent's largest. */
export function strengths(example: LatentExample, largest: number): number[] {
  return activeTokens(example).map((i) =>
    Math.max(1, Math.min(10, Math.round(10 * example.activations[i] / largest)))
  );
}
