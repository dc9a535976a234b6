import type { SpliceLosses } from "../language_model/language_model.ts";
import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkWhole } from "../whole_number.ts";
import type { Editor } from "./edit_latents.ts";
import { mean } from "../mean.ts";

/** What steering needs of a language model; `openLanguageModel` gives it. */
export interface SteerableModel {
  /** Longest context in tokens. */
  maxContext: number;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /** Logits with activations replaced, of all positions or of the last ones. */
  logits(
    tokens: Int32Array,
    rows: number,
    replacement?: Matrix,
    options?: { last?: boolean },
  ): Promise<Matrix>;
  /** Losses with activations replaced, and their divergence from the model's own. */
  spliceLosses(
    tokens: Int32Array,
    rows: number,
    replacements: Matrix[],
    own?: Matrix,
  ): Promise<SpliceLosses>;
  /** The text of one token. */
  tokenText(token: number): string;
}

/** A token's probability as the next one, without and with the edits. */
export interface TokenShift {
  /** Token id. */
  token: number;
  /** The token's text. */
  text: string;
  /** Its probability by the model's own activations. */
  own: number;
  /** The same with the edits. */
  edited: number;
}

/** What edits do to a model's predictions. */
export interface SteeringEffect {
  /** Mean loss over all predictions inside of the rows, in nats, by the model's own activations. */
  loss: number;
  /** The same with the edits. */
  editedLoss: number;
  /** Mean KL(own ‖ edited) of these predictions, in nats. */
  divergence: number;
  /** Per row, the token after its last: whose probability rises and falls most, and the divergence. */
  next: { raised: TokenShift[]; lowered: TokenShift[]; divergence: number }[];
}

/**
 * Measures what edits of latents do to a model's predictions.
 *
 * @param model The model, opened at the SAE's hook.
 * @param editor The SAE with its edits, of `openEditor`.
 * @param tokens Token ids, [rows, L] row after row; L is at least 2.
 * @param rows Number of rows.
 * @param options `count`: tokens that are listed of each kind (default 10).
 * @throws {RangeError} `count` is no whole number above 0.
 *
 * @example A latent that is switched off
 * ```ts no-eval
 * using editor = openEditor(device, sae, [{ latent: 12, ablate: true }]);
 * const { editedLoss, loss } = await steeringEffect(model, editor, tokens, rows);
 * ```
 */
export async function steeringEffect(
  model: SteerableModel,
  editor: Pick<Editor, "edit">,
  tokens: Int32Array,
  rows: number,
  { count = 10 }: { count?: number } = {},
): Promise<SteeringEffect> {
  checkWhole(count, "count");
  const own = await model.activations(tokens, rows);
  const edited = await editor.edit(own, rows);
  const losses = await model.spliceLosses(tokens, rows, [edited], own);
  const [{ loss, divergence }] = losses.spliced;
  const before = await model.logits(tokens, rows, own, { last: true });
  const after = await model.logits(tokens, rows, edited, { last: true });
  return {
    loss: mean(losses.own),
    editedLoss: mean(loss),
    divergence: mean(divergence),
    next: Array.from({ length: rows }, (_, row) => {
      const [p, q] = [probabilities(before, row), probabilities(after, row)];
      const shift = (token: number) => q[token] - p[token];
      const order = [...p.keys()].sort((a, b) => shift(b) - shift(a) || a - b);
      const describe = (token: number): TokenShift => ({
        token,
        text: model.tokenText(token),
        own: p[token],
        edited: q[token],
      });
      return {
        raised: order.slice(0, count).filter((token) => shift(token) > 0).map(describe),
        lowered: order.slice(-count).reverse().filter((token) => shift(token) < 0).map(describe),
        divergence: p.reduce(
          (sum, one, token) => one > 0 ? sum + one * Math.log(one / q[token]) : sum,
          0,
        ),
      };
    }),
  };
}

/** Options of {@linkcode generate}. */
export interface GenerateOptions {
  /** Most tokens to add (default 32). */
  tokens?: number;
  /** 0: always the most likely token (default); above, logits are divided by it before one is drawn. */
  temperature?: number;
  /** Only so many of the most likely tokens are drawn from (default: all). */
  topK?: number;
  /** Seed of what is drawn (default 0). */
  seed?: number;
  /** A token after which to stop; it is part of the result. */
  stopToken?: number;
  /** Edits that hold at every position that the editor does not skip. */
  editor?: Pick<Editor, "edit">;
  /** Called with each token. */
  onToken?: (token: number) => void;
  /** Stops; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Continues a text, with or without edits. Every token runs the model over the whole text again: there
 * is no cache of keys and values, which edits would make wrong.
 *
 * @param model The model.
 * @param prompt Token ids, the first of which is the BOS token where the model expects one.
 * @param options How many tokens, how they are chosen, and edits.
 * @returns The new tokens; fewer than asked for where the context is full or the stop token came.
 * @throws {RangeError} An option is out of range, or the prompt is empty or fills the context.
 */
export async function generate(
  model: SteerableModel,
  prompt: Int32Array,
  options: GenerateOptions = {},
): Promise<Int32Array> {
  const { tokens = 32, temperature = 0, topK = Infinity, seed = 0, editor, signal } = options;
  checkWhole(tokens, "tokens");
  if (topK !== Infinity) checkWhole(topK, "topK");
  if (!(Number.isFinite(temperature) && temperature >= 0)) {
    throw new RangeError(`temperature is ${temperature}, expected a number from 0`);
  }
  if (!(prompt.length > 0 && prompt.length < model.maxContext)) {
    throw new RangeError(
      `the prompt has ${prompt.length} tokens, expected 1 to ${model.maxContext - 1}`,
    );
  }
  const random = createRandom(seed);
  const text = [...prompt];
  while (text.length < Math.min(prompt.length + tokens, model.maxContext)) {
    signal?.throwIfAborted();
    const row = Int32Array.from(text);
    const replacement = editor && await editor.edit(await model.activations(row, 1), 1);
    const { data } = await model.logits(row, 1, replacement, { last: true });
    const token = choose(data, { temperature, topK, uniform: random.uniform });
    text.push(token);
    options.onToken?.(token);
    if (token === options.stopToken) break;
  }
  return Int32Array.from(text.slice(prompt.length));
}

function choose(
  logits: Float32Array,
  { temperature, topK, uniform }: { temperature: number; topK: number; uniform: () => number },
): number {
  if (temperature === 0) return logits.indexOf(logits.reduce((most, one) => Math.max(most, one)));
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b)
    .slice(0, Math.min(topK, logits.length));
  const weights = order.map((token) => Math.exp((logits[token] - logits[order[0]]) / temperature));
  let left = uniform() * weights.reduce((sum, one) => sum + one, 0);
  // Rounding may leave a rest behind the last one.
  return order[weights.findIndex((weight) => (left -= weight) < 0)] ?? order[0];
}

/** Softmax of a row of logits, in float64. */
function probabilities({ data, cols }: Matrix, row: number): Float64Array {
  const logits = data.subarray(row * cols, (row + 1) * cols);
  const most = logits.reduce((max, one) => Math.max(max, one));
  const weights = Float64Array.from(logits, (one) => Math.exp(one - most));
  const sum = weights.reduce((total, one) => total + one, 0);
  return weights.map((one) => one / sum);
}
