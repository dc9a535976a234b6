import { type BackgroundRows, collectBackground } from "./background_rows.ts";
import { type CoactivationCollector, collectCoactivations } from "./coactivations.ts";
import type { CollectorState } from "./collector_state.ts";
import type { EncodedRow } from "./encode_rows.ts";
import { collectContexts, type ContextCollector } from "./latent_contexts.ts";
import type { ContextOptions } from "./seen_latents.ts";

/** Everything that one pass over the texts collects for dashboards. */
export interface DashboardCollectors {
  contexts: ContextCollector;
  coactivations: CoactivationCollector;
  background: BackgroundRows;
  /** Samples so far, massive ones left out. */
  samples(): number;
  /** Takes the codes of one token row; rows come in order. */
  add(encoded: EncodedRow): void;
  /** All that is kept, as arrays. */
  save(): CollectorState;
  /**
   * Adds what collectors of the same options have saved, which saw the next rows: nothing depends on where the rows
   * were divided.
   */
  join(state: CollectorState): void;
}

/** Starts to collect. */
export function collectForDashboards(options: ContextOptions): DashboardCollectors {
  const contexts = collectContexts(options);
  const coactivations = collectCoactivations(options.dictSize);
  const background = collectBackground(options.length, options.window);
  const all = { contexts, coactivations, background };
  let samples = 0;
  return {
    ...all,
    samples: () => samples,
    add({ row, codes, from, positions }) {
      contexts.add(row, codes, from, positions);
      coactivations.add(row, codes, from, positions);
      background.add(row, codes, from, positions);
      samples += positions.length;
    },
    save: () => ({
      samples: Float64Array.of(samples),
      ...Object.fromEntries(
        Object.entries(all).flatMap(([name, collector]) =>
          Object.entries(collector.save()).map(([array, data]) => [`${name}.${array}`, data])
        ),
      ),
    }),
    join(state) {
      samples += state.samples[0];
      for (const [name, collector] of Object.entries(all)) {
        const own = Object.entries(state).filter(([array]) => array.startsWith(`${name}.`))
          .map(([array, data]) => [array.slice(name.length + 1), data]);
        collector.join(Object.fromEntries(own));
      }
    },
  };
}
