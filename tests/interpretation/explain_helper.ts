// Dashboards of made-up latents, for tests of explanations.
import type { LatentDashboard } from "../../lib/interpretation/dashboards.ts";
import type { LatentExample } from "../../lib/interpretation/latent_example.ts";

/** A context of seven tokens whose fourth is the peak; one more is active, below a third of it, and one above. */
export function example(row: number, word: string, value = 2): LatentExample {
  return {
    ...{ row, position: 9, peak: 3 },
    tokens: [" so", " the", "\n", ` ${word}`, " sat", " «on»", " it"],
    activations: Float32Array.of(0, 0.2 * value, 0, value, 0.5 * value, 0, 0),
  };
}

/** A text of seven tokens in which the latent is inactive. */
export function quiet(row: number, word: string): LatentExample {
  const { tokens } = example(row, word);
  return { row, position: 9, peak: 3, tokens, activations: new Float32Array(7) };
}

/** A latent that is active on `word`, in 40 rows from `first` on. */
export function dashboard(latent: number, word: string, first = 0): LatentDashboard {
  const rows = (count: number, from: number, value: number) =>
    Array.from({ length: count }, (_, i) => example(first + from + i, word, value));
  return {
    ...{ latent, density: 0.1, actives: 40, meanActivation: 1.5, maxActivation: 4 },
    histogram: { width: 1, counts: Uint32Array.of(0, 20, 20) },
    top: rows(20, 0, 4),
    intervals: [
      { low: 0, high: 2, count: 20, samples: rows(10, 20, 1) },
      { low: 2, high: 4, count: 20, samples: rows(10, 30, 3) },
    ],
    ...{ coactive: [], nearest: [], others: [], metaLatents: [] },
  };
}
