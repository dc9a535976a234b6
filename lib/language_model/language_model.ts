import type { Matrix } from "../matrix.ts";
import type { ModelPlace } from "./choose_place.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * A language model, cut in two at a hook: the prefix gives activations, the suffix the loss.
 * Sessions run in a worker, so answers arrive while this thread works; they come in the order of the
 * calls, and several calls may be open. A model keeps its process alive until it is disposed of.
 */
export interface LanguageModel extends Tokenizer, AsyncDisposable {
  /** Hub id or folder, as given. */
  id: string;
  /** TransformerLens name of the hook; the tensor's name where it has none. */
  hook: string;
  /** Name of the hook's tensor in the ONNX graph. */
  tensor: string;
  /** Where the model runs. */
  place: ModelPlace;
  /** Width d of the hook: that of the residual stream, or of what is inside of a layer. */
  dModel: number;
  /**
   * Whether the hook's vectors are of the residual stream's space, in which directions have an effect on
   * logits; not inside of a layer.
   */
  inStream: boolean;
  /** The hook and those of `moreHooks`, with their widths. */
  hooks: { hook: string; dModel: number }[];
  /** Number of layers. */
  layers: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /**
   * Token that rows begin with and that separates documents: config.json's, or else the tokenizer's.
   * Reading it throws Error where neither names one.
   */
  bosToken: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** Where the file and config.json contradict each other; empty where no such place was found. */
  warnings: string[];
  /**
   * The activations at the hook.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d].
   * @throws Error (as a rejection) for token ids or lengths that do not fit the model.
   */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /**
   * The activations at all of `hooks`, in one run.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d] per hook.
   * @throws Error (as a rejection) for token ids or lengths that do not fit the model.
   */
  activationsOf(tokens: Int32Array, rows: number): Promise<Matrix[]>;
  /**
   * Loss in nats of predicting each next token, with the stream at the hook replaced, or as the
   * prefix gives it (the baseline to compare with).
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacement The stream at the hook, [rows · L, d].
   * @returns [rows · (L − 1)]: entry (r, t) is the loss of predicting token t + 1 of row r.
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Float32Array>;
  /**
   * Loss with the activations at the hook replaced in several ways, and how far each moves the
   * predictions: all in one pass, with the model's own as the reference.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacements Activations at the hook, [rows · L, d] each.
   * @param own The model's own activations, [rows · L, d], where they are known already.
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  spliceLosses(
    tokens: Int32Array,
    rows: number,
    replacements: Matrix[],
    own?: Matrix,
  ): Promise<SpliceLosses>;
  /**
   * What the model predicts at each position, with the activations at the hook replaced, or its own.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @param replacement Activations at the hook, [rows · L, d].
   * @param options `last`: whether only the last position of each row is wanted.
   * @returns Logits, [rows · L, vocabulary], or of the last positions, [rows, vocabulary].
   * @throws Error (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  logits(
    tokens: Int32Array,
    rows: number,
    replacement?: Matrix,
    options?: { last?: boolean },
  ): Promise<Matrix>;
  /**
   * Directions of the residual stream times the unembedding, W · W_U: what each adds to the logits,
   * but for the final norm, biases and soft caps.
   *
   * @param directions [n, width of the residual stream].
   * @param options `finalNorm`: whether they are multiplied by the final norm's scale first, and
   * centred before that where the norm centres.
   * @returns [n, vocabulary].
   * @throws Error (as a rejection) where the graph has no unembedding, or no final norm, that is found.
   */
  unembed(directions: Matrix, options?: { finalNorm?: boolean }): Promise<Matrix>;
}

/** What {@linkcode LanguageModel.spliceLosses} finds at each position but the last of a row. */
export interface SpliceLosses {
  /** Loss in nats with the model's own activations, [rows · (L − 1)]. */
  own: Float32Array;
  /** The same per replacement, and the divergence KL(own ‖ spliced) of the predictions in nats. */
  spliced: { loss: Float32Array; divergence: Float32Array }[];
}
