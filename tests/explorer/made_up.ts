import type { Dashboards, LatentDashboard } from "../../lib/interpretation/dashboards.ts";
import { createRandom } from "../../lib/random.ts";

/** Dashboards of random numbers, with text that would be markup if it could. */
export function madeUpDashboards(latents: Uint32Array): Dashboards {
  return {
    ...{ latents, samples: 1000, correlated: 900, rows: 8, contextLength: 126, bytes: 0 },
    density: () => 0.1,
    inactive: () => [],
    read(latent): LatentDashboard {
      const random = createRandom(latent);
      const activations = Float32Array.from({ length: 6 }, () => random.uniform());
      activations[random.below(5) + 1] = 0;
      const tokens = Array.from({ length: 6 }, (_, i) => `</script>${"é日"[i % 2]}`);
      const example = { row: latent % 8, position: 9, peak: 0, tokens, activations };
      return {
        ...{ latent, density: random.uniform(), actives: random.below(1000) },
        ...{ meanActivation: 0.5, maxActivation: random.uniform() },
        histogram: { width: 0.25, counts: Uint32Array.of(3, 0, 1) },
        top: [example],
        intervals: [{ low: 0, high: 1, count: 4, samples: [example] }],
        coactive: [{ latent: 3, correlation: 0.123456789, together: 7 }],
        nearest: latent === 0 ? [] : [{ latent: latent - 1, cosine: 0.75 }],
        others: [{ name: "small", nearest: [{ latent: 1, cosine: -0.5 }] }],
        metaLatents: [
          { latent: 2, weight: 1.5 },
          { latent: [0, 1, 3, 4][latent / 2 % 4] ?? 0, weight: random.uniform() },
        ],
      };
    },
  };
}
