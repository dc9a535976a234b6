import type { LatentDashboard } from "../interpretation/dashboards.ts";
import type { LatentExample } from "../interpretation/latent_example.ts";

/** A part of a text in which a latent is active. */
export interface ContextRecord {
  /** Index of the token row. */
  row: number;
  /** Position of the peak in the row. */
  position: number;
  /** Index of the peak in `tokens`. */
  peak: number;
  /** Texts of the tokens. */
  tokens: string[];
  /** [index, activation] of the tokens at which the latent is active, to five digits. */
  active: [number, number][];
}

/** A latent's dashboard as stored in JSON, with numbers of five digits. */
export interface DashboardRecord {
  /** Index of the latent. */
  latent: number;
  /** Share of the samples in which it is active. */
  density: number;
  /** Number of samples in which it is active. */
  actives: number;
  /** Mean of its activations above zero. */
  mean: number;
  /** The largest activation. */
  max: number;
  /** Distribution of the activations above zero: `counts[b]` from b · width to (b + 1) · width. */
  histogram: { width: number; counts: number[] };
  /** Contexts with the largest activations. */
  top: ContextRecord[];
  /** Intervals of activations, with a random sample of each. */
  intervals: { low: number; high: number; count: number; samples: ContextRecord[] }[];
  /** [latent, correlation, number of samples in which both are active]. */
  coactive: [number, number, number][];
  /** [latent, decoder cosine] in the same SAE. */
  nearest: [number, number][];
  /** [latent, decoder cosine] in other SAEs. */
  others: { name: string; nearest: [number, number][] }[];
  /** [meta-latent, weight]. */
  metaLatents: [number, number][];
  /** Tokens whose logits the latent raises and lowers most, if the model's unembedding was read. */
  logits?: {
    /** [token, logit per unit of activation] of tokens that it raises. */
    promoted: [string, number][];
    /** The same of tokens that it lowers. */
    suppressed: [string, number][];
    /** Distribution over all tokens, in bins of equal width from `low` to `high`. */
    histogram: { low: number; high: number; counts: number[] };
  };
  /** Label or explanation of the latent, and its source. */
  label?: { text: string; source: string; score?: number };
}

/** Parts of a record that need a model or an explanation. */
export type DashboardExtras = Pick<DashboardRecord, "logits" | "label">;

/** Converts a dashboard to its stored form. */
export function dashboardRecord(
  dashboard: LatentDashboard,
  extras: DashboardExtras = {},
): DashboardRecord {
  const { latent, actives, histogram } = dashboard;
  const neighbours = (near: { latent: number; cosine: number }[]): [number, number][] =>
    near.map(({ latent, cosine }) => [latent, fiveDigits(cosine)]);
  return {
    latent,
    density: fiveDigits(dashboard.density),
    actives,
    mean: fiveDigits(dashboard.meanActivation),
    max: fiveDigits(dashboard.maxActivation),
    histogram: { width: histogram.width, counts: [...histogram.counts] },
    top: dashboard.top.map(contextRecord),
    intervals: dashboard.intervals.map(({ low, high, count, samples }) => ({
      ...{ low, high, count },
      samples: samples.map(contextRecord),
    })),
    coactive: dashboard.coactive.map(({ latent, correlation, together }) => [
      ...[latent, fiveDigits(correlation), together] as const,
    ]),
    nearest: neighbours(dashboard.nearest),
    others: dashboard.others.map(({ name, nearest }) => ({ name, nearest: neighbours(nearest) })),
    metaLatents: dashboard.metaLatents.map(({ latent, weight }) => [latent, fiveDigits(weight)]),
    ...extras,
  };
}

function contextRecord(example: LatentExample): ContextRecord {
  const { row, position, peak, tokens, activations } = example;
  const active = Array.from(activations, (value, i): [number, number] => [i, fiveDigits(value)])
    .filter(([, value]) => value > 0);
  return { row, position, peak, tokens, active };
}

/** Rounds to five digits; float32 has seven. */
function fiveDigits(value: number): number {
  return Number(value.toPrecision(5));
}
