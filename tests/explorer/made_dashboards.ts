import type { Dashboards, LatentDashboard } from "../../lib/interpretation/dashboards.ts";
import type { LatentLogits } from "../../lib/interpretation/latent_logits.ts";

/** Text that would break the output if it were not escaped in HTML, CSV or lines. */
export const HOSTILE = [
  ...["</script><script>x()</script>", '"><img src=x onerror=x()>', "{{x}}", "\\\\u0000"],
  ...["\\u0000", "\\\u0000", "\u0000", "\n", "\r\n", "\ud800", "\u202e", "'", "&lt;", "é日"],
];

/** A plausible dashboard of a latent. Latent 0 is never active. */
export function madeDashboard(latent: number, tokens: string[] = HOSTILE): LatentDashboard {
  const activations = Float32Array.from(tokens, (_, i) => i % 3 === 1 ? 0.25 * i : 0);
  const peak = activations.indexOf(Math.max(...activations));
  const example = { row: latent % 8, position: peak + 3, peak, tokens, activations };
  const max = activations[peak];
  const seen = latent > 0;
  return {
    ...{ latent, density: seen ? 0.0123456 : 0, actives: seen ? 1234 : 0 },
    ...{ meanActivation: seen ? 0.5 : 0, maxActivation: seen ? max : 0 },
    histogram: seen
      ? { width: 0.125, counts: Uint32Array.of(1000, 0, 234) }
      : { width: 0, counts: new Uint32Array(0) },
    top: seen ? [example, example] : [],
    intervals: seen
      ? [
        { low: 0, high: 0.5, count: 0, samples: [] },
        { low: 0.5, high: 4, count: 1234, samples: [example] },
      ]
      : [],
    coactive: seen ? [{ latent: 0, correlation: 0.25, together: 7 }] : [],
    nearest: [{ latent: latent === 0 ? 1 : 0, cosine: 0.75 }],
    others: [{ name: tokens[0], nearest: [{ latent: 1, cosine: -0.5 }] }],
    metaLatents: [{ latent: 2, weight: 1.5 }],
  };
}

/** Dashboards of the first latents. */
export function madeDashboards(count: number): Dashboards {
  return {
    ...{ latents: Uint32Array.from({ length: count }, (_, i) => i), samples: 100_000 },
    ...{ correlated: 900, rows: 8, contextLength: 126, bytes: 0 },
    inactive: () => [],
    density: (latent) => latent > 0 ? 0.0123456 : 0,
    read: (latent) => madeDashboard(latent),
  };
}

/** Plausible logits of a latent. */
export function madeLogits(latent: number): LatentLogits {
  const token = (text: string, token: number) => ({ token, text, logit: 1 / (token + 1) });
  return {
    latent,
    promoted: HOSTILE.slice(0, 10).map(token),
    suppressed: HOSTILE.slice(0, 10).map(token),
    histogram: { low: -1, high: 1, counts: Uint32Array.of(3, 0, 4, 1) },
  };
}
