import { collectRows, type TokenRows } from "../language_model/token_rows.ts";
import type { Device } from "../device/device.ts";
import type { Decomposition } from "../meta/decompose.ts";
import { metaLatentsOf, type Weighted } from "../meta/read_decomposition.ts";
import { checkLatents } from "../sae/stitched_sae.ts";
import type { Sae } from "../sae/sae.ts";
import { type NearestLatents, nearestLatents } from "../stitching/nearest_latents.ts";
import { checkWhole } from "../whole_number.ts";
import type { ActivationHistogram } from "./activation_histogram.ts";
import type { CoactiveLatent } from "./coactivations.ts";
import type { CollectorState } from "./collector_state.ts";
import { collectForDashboards } from "./dashboard_collectors.ts";
import {
  encodeRows,
  type EncodeRowsOptions,
  measuredPositions,
  type ReadableModel,
} from "./encode_rows.ts";
import type { ActivationInterval, LatentContext } from "./latent_contexts.ts";
import { type LatentExample, latentExample } from "./latent_example.ts";

/** Options of {@linkcode collectDashboards}. */
export interface DashboardOptions extends EncodeRowsOptions {
  /** Latents that dashboards are made of (default: all). */
  latents?: ArrayLike<number>;
  /** Contexts with the largest activations per latent (default 20). */
  top?: number;
  /** Contexts sampled per interval of activations (default 5). */
  perInterval?: number;
  /** Tokens shown around a place, as far as its row has them (default 12 before, 8 after). */
  window?: { before: number; after: number };
  /** Nearest latents, and latents that are active together, per latent (default 10). */
  neighbours?: number;
  /** Other SAEs of the same hook whose nearest latents are shown too, by name. */
  others?: readonly { name: string; sae: Sae }[];
  /** The decomposition of the latents into meta-latents. */
  decomposition?: Decomposition;
  /** What {@linkcode collectDashboardPart} found in all parts of the token rows, in order: they are not read again. */
  parts?: readonly CollectorState[];
}

/** A latent that is near another. */
export interface Neighbour {
  /** Its number, in its own SAE. */
  latent: number;
  /** Cosine of the two decoder directions. */
  cosine: number;
}

/** Activations of a latent in a range, with places in the text. */
export interface DashboardInterval extends Omit<ActivationInterval, "samples"> {
  /** A random sample of the places, in the order of the text. */
  samples: LatentExample[];
}

/** Everything that a dashboard of a latent shows. */
export interface LatentDashboard {
  /** Number of the latent. */
  latent: number;
  /** Share of the samples in which it is active. */
  density: number;
  /** In how many samples it is active. */
  actives: number;
  /** Mean of its activations above zero; 0 where there is none. */
  meanActivation: number;
  /** The largest; 0 where there is none. */
  maxActivation: number;
  /** Distribution of the activations above zero. */
  histogram: ActivationHistogram;
  /** Contexts with the largest activations, one per token row. */
  top: LatentExample[];
  /** 5 to 8 intervals of equal width from 0 to the largest activation, with samples of each. */
  intervals: DashboardInterval[];
  /** Latents of the same SAE that are active together with it. */
  coactive: CoactiveLatent[];
  /** Latents of the same SAE with the nearest decoder directions. */
  nearest: Neighbour[];
  /** The same of other SAEs. */
  others: { name: string; nearest: Neighbour[] }[];
  /** The meta-latents that make it up; none without a decomposition. */
  metaLatents: Weighted[];
}

/** Dashboards of an SAE's latents. They are put together when they are read. */
export interface Dashboards {
  /** The latents that have one, ascending. */
  latents: Uint32Array;
  /** Samples that were read, massive ones left out. */
  samples: number;
  /** Samples that correlations are over. */
  correlated: number;
  /** Token rows that were read. */
  rows: number;
  /** Tokens in a row. */
  contextLength: number;
  /** Bytes of what is kept of the latents: not more for longer texts. */
  bytes: number;
  /** Share of the samples in which a latent is active. */
  density(latent: number): number;
  /** One latent's dashboard. */
  read(latent: number): LatentDashboard;
  /**
   * Stretches of text in which a latent is inactive, from up to 200 random rows and at most one per row: what
   * its contexts are told from.
   */
  inactive(latent: number, count: number): LatentExample[];
}

/**
 * Collects dashboards (Fig. 12) of any number of latents in one pass over the texts. The memory is that of the
 * token rows (4 bytes per token), some 6 kB per latent with the default sizes, and up to 100 MB for latents
 * that are active together, however long the texts are.
 *
 * @param tokenRows Rows of tokens, all of one length.
 * @throws {RangeError} There are no token rows, they differ in length, a latent is not in the SAE, or a width
 * is not the hook's.
 *
 * @example The ten contexts that a latent likes best
 * ```ts no-eval
 * import { loadSae, openDevice, openLanguageModel, readTexts } from "@saewing/saewing";
 * import { packTokenRows } from "@saewing/saewing/models";
 * import { collectDashboards } from "@saewing/saewing/interpretation";
 *
 * using device = await openDevice();
 * const sae = await loadSae("runs/1024/sae");
 * await using model = await openLanguageModel("Xenova/gpt2", { hook: "blocks.8.hook_resid_pre" });
 * const rows = packTokenRows(model, readTexts("corpus.jsonl"), { contextLength: 128 });
 * const dashboards = await collectDashboards(device, model, sae, rows);
 * for (const { tokens, peak } of dashboards.read(17).top) console.log(tokens[peak], tokens.join(""));
 * ```
 */
export async function collectDashboards(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  tokenRows: TokenRows,
  options: DashboardOptions = {},
): Promise<Dashboards> {
  const { neighbours = 10, others = [], decomposition } = options;
  checkWhole(neighbours, "neighbours");
  checkWidths(model, sae, others);
  if (decomposition && decomposition.latents.rows !== sae.dictSize) {
    throw new RangeError(
      `the decomposition is of ${decomposition.latents.rows} latents, the SAE has ${sae.dictSize}`,
    );
  }
  const { rows, positions, latents, collectors } = await openRows(sae, tokenRows, options);
  const { contexts, coactivations, background } = collectors;
  if (options.parts) options.parts.forEach(collectors.join);
  else await encodeRows(device, model, sae, rows, options, collectors.add);
  const samples = collectors.samples();
  const { signal } = options;
  const rowsOfSae = decoderRowsOf(sae, latents);
  const nearest = sae.dictSize < 2
    ? undefined
    : await nearestLatents(device, rowsOfSae, sae, { count: neighbours + 1, signal });
  const near: { name: string; found: NearestLatents }[] = [];
  for (const { name, sae: other } of others) {
    const found = await nearestLatents(device, rowsOfSae, other, { count: neighbours, signal });
    near.push({ name, found });
  }
  const place = new Map(Array.from(latents, (latent, i) => [latent, i]));
  // A context has 21 tokens, a latent 60 contexts: each token's text is made once.
  const words = new Map<number, string>();
  const tokenText = (token: number): string => {
    const word = words.get(token) ?? model.tokenText(token);
    words.set(token, word);
    return word;
  };
  const shown = (context: LatentContext) => latentExample(context, rows, positions, { tokenText });
  return {
    ...{ latents, samples, rows: rows.length, contextLength: rows[0].length },
    correlated: coactivations.samples(),
    bytes: contexts.bytes,
    density: (latent) => contexts.actives(latent) / samples,
    inactive: (latent, count) => background.inactive(latent, count).map(shown),
    read(latent) {
      const at = place.get(latent);
      if (at === undefined) throw new RangeError(`latent ${latent} has no dashboard`);
      const { intervals, top, ...seen } = contexts.read(latent);
      return {
        ...{ latent, density: seen.actives / samples, ...seen },
        top: top.map(shown),
        intervals: intervals.map(({ samples, ...interval }) => ({
          ...interval,
          samples: samples.map(shown),
        })),
        coactive: coactivations.read(latent, neighbours),
        // The nearest of all is the latent itself, or one that is equal to it.
        nearest: neighboursOf(nearest, at).filter((each) => each.latent !== latent)
          .slice(0, neighbours),
        others: near.map(({ name, found }) => ({ name, nearest: neighboursOf(found, at) })),
        metaLatents: decomposition ? metaLatentsOf(decomposition, latent) : [],
      };
    },
  };
}

/** What {@linkcode collectDashboardPart} does. */
export interface DashboardPartOptions extends DashboardOptions {
  /** Number of the part, from 1, and of all parts. */
  part: { index: number; count: number };
  /** What an earlier call kept, and the call of the model that comes next. */
  resume?: { state: CollectorState; next: number };
  /** Called after each call of the model: `save` gives what was found so far. */
  onRun?: (next: number, save?: () => CollectorState) => void | Promise<void>;
}

/**
 * Collects what dashboards need from one of several parts of the token rows: {@linkcode collectDashboards} makes of
 * all parts (`parts`) what it makes of the rows themselves, bit for bit. A part is a stretch of calls of the model.
 *
 * @param tokenRows All rows of tokens, those of other parts too.
 * @returns Arrays by name. Some 6 kB per active latent, and up to 50 MB for latents that are active together.
 * @throws {RangeError} As `collectDashboards` does.
 */
export async function collectDashboardPart(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  tokenRows: TokenRows,
  { part: { index, count }, resume, onRun, ...options }: DashboardPartOptions,
): Promise<CollectorState> {
  checkWhole(count, "part.count");
  checkWhole(index, "part.index", 1, count);
  checkWidths(model, sae, []);
  const { rows, collectors } = await openRows(sae, tokenRows, options);
  const runs = Math.ceil(rows.length / (options.rowsPerRun ?? 16));
  const at = (part: number) => Math.floor(runs * part / count);
  if (resume) collectors.join(resume.state);
  await encodeRows(device, model, sae, rows, {
    ...options,
    runs: { from: resume?.next ?? at(index - 1), to: at(index) },
    onRun: (next) => onRun?.(next, collectors.save),
  }, collectors.add);
  return collectors.save();
}

/** The rows, and what collects from them. */
async function openRows(sae: Sae, tokenRows: TokenRows, options: DashboardOptions) {
  const { top = 20, perInterval = 5, window = { before: 12, after: 8 } } = options;
  checkWhole(top, "top");
  checkWhole(perInterval, "perInterval", 0);
  checkWhole(window.before, "window.before", 0);
  checkWhole(window.after, "window.after", 0);
  if (options.latents) checkLatents(options.latents, sae.dictSize, "latents");
  const latents = options.latents
    ? Uint32Array.from(options.latents).sort()
    : Uint32Array.from({ length: sae.dictSize }, (_, latent) => latent);
  const rows = await collectRows(tokenRows, "find examples in");
  const positions = measuredPositions(rows[0].length, options.skipPositions);
  const collectors = collectForDashboards({
    ...{ dictSize: sae.dictSize, latents, length: positions.length, top, perInterval, window },
  });
  return { rows, positions, latents, collectors };
}

function decoderRowsOf({ wDec, dModel }: Sae, latents: Uint32Array) {
  const data = new Float32Array(latents.length * dModel);
  latents.forEach((latent, i) =>
    data.set(wDec.subarray(latent * dModel, (latent + 1) * dModel), i * dModel)
  );
  return { data, rows: latents.length, cols: dModel };
}

function neighboursOf(found: NearestLatents | undefined, row: number): Neighbour[] {
  if (!found) return [];
  return Array.from({ length: found.count }, (_, i) => ({
    latent: found.latents[row * found.count + i],
    cosine: found.cosine[row * found.count + i],
  }));
}

function checkWidths(
  model: ReadableModel,
  sae: Sae,
  others: readonly { name: string; sae: Sae }[],
): void {
  for (const each of [{ name: "the SAE", sae }, ...others]) {
    if (each.sae.dModel !== model.dModel) {
      throw new RangeError(
        `the dModel of ${each.name} is ${each.sae.dModel}, the hook's is ${model.dModel}`,
      );
    }
  }
}
