import type { Dashboards, LatentDashboard } from "../interpretation/dashboards.ts";
import type { LatentExample } from "../interpretation/latent_example.ts";
import type { LatentLogits } from "../interpretation/latent_logits.ts";
import type { Progress } from "../progress.ts";
import type { Sae } from "../sae/sae.ts";
import type { DashboardFile } from "./dashboard_files.ts";

/** Names of a source on Neuronpedia. */
export interface NeuronpediaSource {
  /** Neuronpedia's id of the model, such as `gpt2-small`: letters, digits, hyphens and underscores. */
  model: string;
  /** Name of the set of sources, such as `saewing-res-2k`, with the same characters. */
  set: string;
  /** The hook, in a block: `blocks.8.hook_resid_pre`. Its number becomes the source's. */
  hook: string;
  /** Name of the texts, as it is shown. */
  dataset?: string;
  /** User that owns the rows (default: the one that Neuronpedia's seed script creates). */
  creator?: string;
}

/** Options of {@linkcode neuronpediaFiles}. */
export interface NeuronpediaOptions {
  /** Returns the logits of a latent, if any. */
  logits?: (latent: number) => LatentLogits | undefined;
  /** Latents per file (default 128, as in SAEDashboard). */
  batch?: number;
  /** Called with the number of latents written. */
  onProgress?: (progress: Progress) => void;
  /** Aborts the work. */
  signal?: AbortSignal;
}

/** The user of Neuronpedia's seed script: the owner of a row must exist. */
const SEEDED_USER = "clkht01d40000jv08hvalcvly";
/** Neuronpedia shows three neurons of largest weight. */
const NEURONS = 3;

/**
 * Dashboards in Neuronpedia's import format: the files below `v1/` of its data sets. `MODEL/LAYER-SET/` has
 * `release.jsonl`, `model.jsonl`, `sourceset.jsonl` and `source.jsonl` with one line each,
 * `features/batch-N.jsonl.gz` with a line per latent, and `activations/batch-N.jsonl.gz` with a line per
 * context. All lines have the same keys, because the importer takes its columns from a file's first line.
 *
 * The intervals are {@linkcode LatentDashboard.intervals}; in top contexts `binMin` and `binContains` are −1,
 * as Neuronpedia marks them. Correlations with neurons are not computed: their lists are empty.
 *
 * @param sae The SAE of the dashboards; its decoder rows are the steering vectors.
 * @throws {RangeError} A name has other characters, the hook is not in a block, or the dashboards have more
 * latents than the SAE.
 */
export async function* neuronpediaFiles(
  dashboards: Dashboards,
  sae: Pick<Sae, "wDec" | "dModel" | "dictSize">,
  source: NeuronpediaSource,
  options: NeuronpediaOptions = {},
): AsyncGenerator<DashboardFile> {
  const { logits, batch = 128, signal } = options;
  const names = checkNeuronpediaSource(source);
  const { latents } = dashboards;
  if (latents.length > 0 && latents[latents.length - 1] >= sae.dictSize) {
    throw new RangeError(
      `the dashboards have latent ${
        latents[latents.length - 1]
      }, expected latents below the SAE's ` +
        `dictSize ${sae.dictSize}`,
    );
  }
  const folder = `${names.model}/${names.id}`;
  const text = (name: string, lines: object[]): DashboardFile => ({
    name: `${folder}/${name}`,
    bytes: new TextEncoder().encode(jsonLines(lines)),
  });
  for (const [name, line] of Object.entries(metadata(dashboards, sae, source, names))) {
    yield text(`${name}.jsonl`, [line]);
  }
  // Ids of contexts are the same in every run, so that importing twice adds nothing.
  const prefix = await shortHash(`${names.model}/${names.id}`);
  for (let first = 0, n = 0; first < latents.length; first += batch, n++) {
    signal?.throwIfAborted();
    const boards = Array.from(latents.subarray(first, first + batch), dashboards.read);
    const features = boards.map((board) => featureLine(board, sae, logits?.(board.latent), names));
    yield await packed(`${folder}/features/batch-${n}.jsonl.gz`, features);
    const contexts = boards.flatMap((board) =>
      activationLines(board, dashboards.samples, prefix, names)
    );
    // The importer cannot read empty files.
    if (contexts.length > 0) {
      yield await packed(`${folder}/activations/batch-${n}.jsonl.gz`, contexts);
    }
    const done = Math.min(latents.length, first + batch);
    options.onProgress?.({ phase: "writing for Neuronpedia", done, total: latents.length });
  }
}

/** A source's names as Neuronpedia stores them. */
export interface NeuronpediaNames {
  /** Id of the model, in lower case. */
  model: string;
  /** Id of the source, `LAYER-SET`. */
  id: string;
  /** Name of the set. */
  set: string;
  /** The hook. */
  hook: string;
  /** User that owns the rows. */
  creator: string;
}

/**
 * Checks the names of a source and returns them in Neuronpedia's form.
 *
 * @throws {RangeError} A name has characters that Neuronpedia does not accept, or the hook is not in a
 * block.
 */
export function checkNeuronpediaSource(
  { model, set, hook, creator = SEEDED_USER }: NeuronpediaSource,
): NeuronpediaNames {
  for (const [name, value] of Object.entries({ model, set })) {
    if (!/^[\w-]{1,128}$/.test(value)) {
      throw new RangeError(
        `${name} is ${JSON.stringify(value)}, expected letters, digits, - and _ only`,
      );
    }
  }
  const layer = hook.match(/^blocks\.(\d+)\./)?.[1];
  if (layer === undefined) {
    throw new RangeError(`the hook is ${hook}, expected blocks.N.… for Neuronpedia`);
  }
  // Ids of models are stored in lower case.
  return { model: model.toLowerCase(), id: `${layer}-${set}`, set, hook, creator };
}

function metadata(
  dashboards: Dashboards,
  sae: Pick<Sae, "dModel" | "dictSize">,
  { dataset }: NeuronpediaSource,
  { model, id, set, hook, creator }: NeuronpediaNames,
): Record<string, object> {
  const own = { creatorId: creator, visibility: "PUBLIC" };
  const about = `${sae.dictSize} latents at ${hook}`;
  return {
    release: {
      ...{ name: set, description: set, descriptionShort: set, urls: [], ...own },
      ...{ creatorName: "saewing", creatorNameShort: "saewing" },
    },
    model: {
      ...{ id: model, displayName: model, displayNameShort: model, owner: "", ...own },
      // As Neuronpedia's own converters set them: neurons of the model are not shown.
      ...{ layers: 0, neuronsPerLayer: 0, instruct: false, inferenceEnabled: false },
      dimension: sae.dModel,
    },
    sourceset: {
      ...{ modelId: model, name: set, description: about, type: "", creatorName: "saewing" },
      ...{ urls: [], releaseName: set, hasDashboards: true, allowInferenceSearch: false, ...own },
    },
    source: {
      ...{ id, modelId: model, setName: set, hasDashboards: true, inferenceEnabled: false, ...own },
      ...{ num_prompts: dashboards.rows, num_tokens_in_prompt: dashboards.contextLength },
      dataset: dataset ?? null,
    },
  };
}

function featureLine(
  board: LatentDashboard,
  { wDec, dModel }: Pick<Sae, "wDec" | "dModel">,
  logits: LatentLogits | undefined,
  { model, id, set, hook, creator }: NeuronpediaNames,
): Record<string, unknown> {
  const { latent, histogram: { width, counts } } = board;
  const row = wDec.subarray(latent * dModel, (latent + 1) * dModel);
  const sum = row.reduce((all, weight) => all + Math.abs(weight), 0) || 1;
  const neurons = Array.from(row, (_, i) => i)
    .sort((a, b) => Math.abs(row[b]) - Math.abs(row[a]) || a - b).slice(0, NEURONS);
  const logitBins = logits?.histogram ?? { low: 0, high: 0, counts: new Uint32Array(0) };
  const logitWidth = (logitBins.high - logitBins.low) / Math.max(1, logitBins.counts.length);
  const cosineWith = (other: number) =>
    cosine(row, wDec.subarray(other * dModel).subarray(0, dModel));
  return {
    ...{ modelId: model, layer: id, index: String(latent), sourceSetName: set, creatorId: creator },
    maxActApprox: short(board.maxActivation),
    ...{ hasVector: true, vector: Array.from(row, short), vectorLabel: null, hookName: hook },
    vectorDefaultSteerStrength: short(board.maxActivation),
    topkCosSimIndices: board.nearest.map(({ latent }) => latent),
    topkCosSimValues: board.nearest.map(({ cosine }) => short(cosine)),
    neuron_alignment_indices: neurons,
    neuron_alignment_values: neurons.map((i) => short(row[i])),
    neuron_alignment_l1: neurons.map((i) => short(Math.abs(row[i]) / sum)),
    ...{ correlated_neurons_indices: [], correlated_neurons_pearson: [] },
    correlated_neurons_l1: [],
    correlated_features_indices: board.coactive.map(({ latent }) => latent),
    correlated_features_pearson: board.coactive.map(({ correlation }) => short(correlation)),
    // Despite its name, this field has cosines of decoder rows.
    correlated_features_l1: board.coactive.map(({ latent }) => short(cosineWith(latent))),
    pos_str: logits?.promoted.map(({ text }) => storable(text)) ?? [],
    pos_values: logits?.promoted.map(({ logit }) => short(logit)) ?? [],
    neg_str: logits?.suppressed.map(({ text }) => storable(text)) ?? [],
    neg_values: logits?.suppressed.map(({ logit }) => short(logit)) ?? [],
    frac_nonzero: short(board.density),
    freq_hist_data_bar_heights: [...counts],
    freq_hist_data_bar_values: Array.from(counts, (_, b) => short((b + 0.5) * width)),
    logits_hist_data_bar_heights: [...logitBins.counts],
    logits_hist_data_bar_values: Array.from(
      logitBins.counts,
      (_, b) => short(logitBins.low + (b + 0.5) * logitWidth),
    ),
    decoder_weights_dist: [],
  };
}

function activationLines(
  board: LatentDashboard,
  samples: number,
  prefix: string,
  { model, id, creator }: NeuronpediaNames,
): Record<string, unknown>[] {
  const { latent, top, intervals, maxActivation } = board;
  const whole = { binMin: -1, binMax: short(maxActivation), binContains: -1 };
  const contexts: [LatentExample, typeof whole][] = [
    ...top.map((example): [LatentExample, typeof whole] => [example, whole]),
    ...intervals.flatMap(({ low, high, count, samples: shown }) => {
      const bin = { binMin: short(low), binMax: short(high), binContains: short(count / samples) };
      return shown.map((example): [LatentExample, typeof whole] => [example, bin]);
    }),
  ];
  return contexts.map(([{ tokens, activations, peak }, bin], i) => {
    const values = Array.from(activations, short);
    const maxValue = Math.max(...values);
    return {
      id: `c${prefix}${latent.toString(36)}x${i.toString(36)}`,
      ...{ modelId: model, layer: id, index: String(latent), creatorId: creator },
      tokens: tokens.map(storable),
      ...{ values, maxValue, maxValueTokenIndex: values.indexOf(maxValue) },
      minValue: Math.min(...values),
      ...bin,
      qualifyingTokenIndex: peak,
      ...{ dfaValues: [], dfaMaxValue: null, dfaTargetIndex: null, lossValues: [] },
      ...{ logitContributions: null, dataIndex: null, dataSource: null },
    };
  });
}

/** Rounds to five digits; float32 has seven. */
const short = (value: number): number => Number(value.toPrecision(5));

/** Text that PostgreSQL can store: without character 0 and unpaired surrogates. */
const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u2400");

/**
 * One JSON object per line. The importer replaces `\u0000` everywhere, so the backslash of a token whose text
 * is `\u0000` is written as `\u005c`.
 */
function jsonLines(lines: readonly object[]): string {
  return lines.map((line) => JSON.stringify(line).replaceAll("\\\\u0000", "\\u005cu0000") + "\n")
    .join("");
}

async function packed(name: string, lines: readonly object[]): Promise<DashboardFile> {
  const stream = new Blob([jsonLines(lines)]).stream().pipeThrough(new CompressionStream("gzip"));
  return { name, bytes: await new Response(stream).bytes() };
}

async function shortHash(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(hash).slice(0, 6).toHex();
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, own, other] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    own += a[i] * a[i];
    other += b[i] * b[i];
  }
  return own > 0 && other > 0 ? dot / Math.sqrt(own * other) : 0;
}
