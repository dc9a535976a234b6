import type { Progress } from "../progress.ts";
import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import type { Inference, InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import {
  chooseNormLimit,
  massiveRows,
  type NormLimitChoice,
  withoutRows,
} from "../sae/norm_limit.ts";
import { decodingTarget } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { readFirstParts } from "../sae/separate_massive.ts";
import { checkWhole } from "../whole_number.ts";

/** What {@linkcode meanActivations} needs of a language model; `openLanguageModel` gives it. */
export interface TextModel {
  /** Width d of the hook's activations. */
  dModel: number;
  /** Token that each text begins with. */
  bosToken: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** Token ids of a text, without special tokens. */
  tokenize(text: string): Int32Array;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
}

/** Options of {@linkcode meanActivations}. */
export interface MeanActivationOptions extends InferenceOptions {
  /** Tokens of a text that are read, BOS included (default 128, as SAEBench does, or what the model takes). */
  contextLength?: number;
  /**
   * Activations that are massive and left out of the means. If not given, those that the first SAE was
   * trained without, or where it does not say, what exceeds 10 times the median norm.
   */
  normLimit?: NormLimitChoice;
  /** Most tokens per call of the model (default 4096). */
  tokensPerRun?: number;
  /** Called with the texts that are done. */
  onProgress?: (progress: Progress) => void;
  /** Stops the work; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Means over the tokens of each text. BOS, padding and massive activations are not counted. */
export interface MeanActivations {
  /** Mean activation at the hook, [texts, d]. */
  residual: Matrix;
  /** Per SAE the mean activation of each latent, [texts, m]. */
  latents: SparseMatrix[];
  /**
   * Per SAE and entry of `latents` the mean of what multiplies the latent's decoder direction in the
   * reconstruction: the activation times the sample's scale (`decodingTarget`).
   */
  contributions: Float32Array[];
  /** Tokens that each mean is over, [texts]; 0 where a text has none: its means are 0. */
  tokens: Uint32Array;
}

/**
 * Reads texts through a model once and gives, per text, the mean over its tokens of the activations at
 * the hook and of every latent of several SAEs: the features that sparse probing (Fig. 24, 25) and targeted
 * probe perturbation (Fig. 26) need. Texts of like length go through the model together; rows are filled
 * up at the end, which a causal model does not see.
 *
 * @param model A model that is open at the hook of the SAEs.
 * @param saes SAEs of the model's width.
 * @param texts Texts, of which the first `contextLength` − 1 tokens are read.
 * @throws {RangeError} There are no texts or no SAE, or an SAE's width is not the hook's.
 */
export async function meanActivations(
  device: Device,
  model: TextModel,
  saes: readonly Sae[],
  texts: readonly string[],
  options: MeanActivationOptions = {},
): Promise<MeanActivations> {
  const { tokensPerRun = 4096, signal } = options;
  const contextLength = options.contextLength ?? Math.min(128, model.maxContext);
  check(model, saes, texts, contextLength);
  // A character is at least a quarter of a token: 32 per token leave room, and no long text is
  // tokenized to its end.
  const tokens = texts.map((text) =>
    model.tokenize(text.slice(0, 32 * contextLength)).subarray(0, contextLength - 1)
  );
  const runs = planRuns(tokens.map(({ length }) => length), tokensPerRun);
  const d = model.dModel;
  const residual = { data: new Float32Array(texts.length * d), rows: texts.length, cols: d };
  const counts = new Uint32Array(texts.length);
  const sums = saes.map(({ dictSize }) => startSums(texts.length, dictSize));
  const read = async (run: number): Promise<Matrix> => {
    signal?.throwIfAborted();
    const { members, length } = runs[run];
    const rows = new Int32Array(members.length * (length + 1)).fill(model.bosToken);
    members.forEach((text, row) => rows.set(tokens[text], row * (length + 1) + 1));
    return ownRows(await model.activations(rows, members.length), runs[run], tokens);
  };
  const choice = chooseNormLimit(options.normLimit, saes[0]);
  const { limit, take } = await readFirstParts(choice, runs.length, read);
  const open: Inference[] = [];
  let done = 0;
  try {
    for (const sae of saes) open.push(openInference(device, sae, options));
    for (let run = 0; run < runs.length; run++) {
      const all = await take(run);
      const massive = massiveRows(all, limit);
      const x = withoutRows(all, massive);
      const owner = ownersOf(runs[run].members, tokens, new Set(massive));
      for (const text of owner) counts[text]++;
      addResiduals(residual, x, owner);
      for (let s = 0; s < saes.length; s++) {
        const { scale } = decodingTarget(saes[s], x);
        addCodes(sums[s], (await open[s].run(x)).codes, owner, scale);
      }
      done += runs[run].members.length;
      options.onProgress?.({ phase: "reading texts", done, total: texts.length });
    }
  } finally {
    for (const inference of open) inference[Symbol.dispose]();
  }
  const finished = sums.map((each) => finishSums(each, counts));
  return {
    residual,
    latents: finished.map(({ latents }) => latents),
    contributions: finished.map(({ contributions }) => contributions),
    tokens: counts,
  };
}

/** Texts that go through the model together: none is longer than `length` tokens. */
interface Run {
  members: number[];
  length: number;
}

function planRuns(lengths: readonly number[], tokensPerRun: number): Run[] {
  const order = lengths.map((_, text) => text).filter((text) => lengths[text] > 0)
    .sort((a, b) => lengths[b] - lengths[a] || a - b);
  const runs: Run[] = [];
  for (let at = 0; at < order.length;) {
    const length = lengths[order[at]];
    const rows = Math.max(1, Math.floor(tokensPerRun / (length + 1)));
    runs.push({ members: order.slice(at, at + rows), length });
    at += rows;
  }
  return runs;
}

/** The activations of the texts' own tokens, without BOS and filling. */
function ownRows(x: Matrix, { members, length }: Run, tokens: readonly Int32Array[]): Matrix {
  const rows = members.reduce((sum, text) => sum + tokens[text].length, 0);
  const data = new Float32Array(rows * x.cols);
  let to = 0;
  members.forEach((text, row) => {
    const from = (row * (length + 1) + 1) * x.cols;
    const part = x.data.subarray(from, from + tokens[text].length * x.cols);
    data.set(part, to);
    to += part.length;
  });
  return { data, rows, cols: x.cols };
}

/** The text of each activation that is not left out. */
function ownersOf(
  members: readonly number[],
  tokens: readonly Int32Array[],
  left: ReadonlySet<number>,
): Uint32Array {
  const owners: number[] = [];
  let row = 0;
  for (const text of members) {
    for (let i = 0; i < tokens[text].length; i++, row++) if (!left.has(row)) owners.push(text);
  }
  return Uint32Array.from(owners);
}

/** Means of the residual stream. A text's rows are in one run, one after the other. */
function addResiduals(residual: Matrix, x: Matrix, owner: Uint32Array): void {
  for (const { text, from, to } of stretches(owner)) {
    const sum = new Float64Array(x.cols);
    for (let r = from; r < to; r++) {
      for (let i = 0, at = r * x.cols; i < x.cols; i++) sum[i] += x.data[at + i];
    }
    residual.data.set(sum.map((value) => value / (to - from)), text * x.cols);
  }
}

/** Rows of each text that has any. */
function* stretches(owner: Uint32Array): Generator<{ text: number; from: number; to: number }> {
  for (let from = 0, to = 0; from < owner.length; from = to) {
    while (to < owner.length && owner[to] === owner[from]) to++;
    yield { text: owner[from], from, to };
  }
}

interface Sums {
  dictSize: number;
  /** Latents of each text, ascending, with the sums of their activations and contributions. */
  rows: { latents: Uint32Array; values: Float64Array; contributions: Float64Array }[];
  /** The sums of one text. */
  values: Float64Array;
  contributions: Float64Array;
}

function startSums(texts: number, dictSize: number): Sums {
  const none = new Float64Array();
  const empty = { latents: new Uint32Array(), values: none, contributions: none };
  return {
    dictSize,
    rows: Array.from({ length: texts }, () => empty),
    values: new Float64Array(dictSize),
    contributions: new Float64Array(dictSize),
  };
}

function addCodes(
  { rows, values, contributions }: Sums,
  codes: SparseMatrix,
  owner: Uint32Array,
  scale: Float32Array,
): void {
  for (const { text, from, to } of stretches(owner)) {
    const active = new Set<number>();
    for (let r = from; r < to; r++) {
      for (let e = codes.rowOffsets[r]; e < codes.rowOffsets[r + 1]; e++) {
        values[codes.latents[e]] += codes.values[e];
        contributions[codes.latents[e]] += codes.values[e] * scale[r];
        active.add(codes.latents[e]);
      }
    }
    const latents = Uint32Array.from(active).sort();
    const of = (sums: Float64Array) => Float64Array.from(latents, (latent) => sums[latent]);
    rows[text] = { latents, values: of(values), contributions: of(contributions) };
    for (const latent of latents) values[latent] = contributions[latent] = 0;
  }
}

function finishSums(
  { dictSize, rows }: Sums,
  counts: Uint32Array,
): { latents: SparseMatrix; contributions: Float32Array } {
  const rowOffsets = new Uint32Array(rows.length + 1);
  rows.forEach(({ latents }, r) => rowOffsets[r + 1] = rowOffsets[r] + latents.length);
  const all = rowOffsets[rows.length];
  const entries = { latents: new Uint32Array(all), values: new Float32Array(all) };
  const contributions = new Float32Array(all);
  rows.forEach((row, r) => {
    entries.latents.set(row.latents, rowOffsets[r]);
    entries.values.set(row.values.map((value) => value / counts[r]), rowOffsets[r]);
    contributions.set(row.contributions.map((value) => value / counts[r]), rowOffsets[r]);
  });
  return { latents: { rows: rows.length, cols: dictSize, rowOffsets, ...entries }, contributions };
}

function check(
  model: TextModel,
  saes: readonly Sae[],
  texts: readonly string[],
  contextLength: number,
): void {
  if (saes.length === 0) throw new RangeError("there is no SAE to encode texts with");
  if (texts.length === 0) throw new RangeError("there are no texts to read");
  checkWhole(contextLength, "contextLength", 2);
  if (contextLength > model.maxContext) {
    throw new RangeError(
      `contextLength is ${contextLength}, the model takes at most ${model.maxContext}`,
    );
  }
  saes.forEach(({ dModel }, i) => {
    if (dModel !== model.dModel) {
      throw new RangeError(`saes[${i}].dModel is ${dModel}, the hook's is ${model.dModel}`);
    }
  });
}
