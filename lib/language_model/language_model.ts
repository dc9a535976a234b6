import type { Matrix } from "../matrix.ts";
import type { ModelPlace } from "./choose_place.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * A language model, split at a hook: the prefix computes activations, the suffix the loss.
 * ONNX Runtime's sessions run in a worker. Several calls may be pending; they are answered in order.
 * A model keeps its process alive until it is disposed of.
 */
export interface LanguageModel extends Tokenizer, AsyncDisposable {
  /** Hub id or folder, as given. */
  id: string;
  /** TransformerLens name of the hook; the tensor's name where it has none. */
  hook: string;
  /** Name of the hook's tensor in the ONNX graph. */
  tensor: string;
  /** The device that the model runs on. */
  place: ModelPlace;
  /** Width d of the hook's activations. */
  dModel: number;
  /**
   * Whether the hook's activations are in the space of the residual stream, in which a direction has
   * logits; false inside a layer.
   */
  inStream: boolean;
  /** The hook and those of `moreHooks`, with their widths. */
  hooks: { hook: string; dModel: number }[];
  /** Number of layers. */
  layers: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /**
   * Id of the token that begins rows and separates documents, from config.json, else from the
   * tokenizer. Reading it throws Error where neither has one.
   */
  bosToken: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** Contradictions between the file and config.json that were found. */
  warnings: string[];
  /**
   * The activations at the hook.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d].
   * @throws {Error} (as a rejection) for token ids or lengths that do not fit the model.
   */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /**
   * The activations at all of `hooks`, in one run of the model.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @returns [rows · L, d] per hook.
   * @throws {Error} (as a rejection) for token ids or lengths that do not fit the model.
   */
  activationsOf(tokens: Int32Array, rows: number): Promise<Matrix[]>;
  /**
   * Loss in nats of predicting each next token, with the hook's activations replaced or unchanged.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacement Activations at the hook, [rows · L, d], default the model's own.
   * @returns [rows · (L − 1)]: entry (r, t) is the loss of predicting token t + 1 of row r.
   * @throws {Error} (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Float32Array>;
  /**
   * Loss and KL divergence with the hook's activations replaced in several ways, in one pass, with the
   * model's own as the reference.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`, at least 2.
   * @param replacements Activations at the hook, [rows · L, d] each.
   * @param own The model's own activations, [rows · L, d]; computed if not given.
   * @throws {Error} (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  spliceLosses(
    tokens: Int32Array,
    rows: number,
    replacements: Matrix[],
    own?: Matrix,
  ): Promise<SpliceLosses>;
  /**
   * The model's logits at each position, with the hook's activations replaced or unchanged.
   *
   * @param tokens Token ids, [rows, L] row after row.
   * @param rows Number of rows; L is `tokens.length / rows`.
   * @param replacement Activations at the hook, [rows · L, d], default the model's own.
   * @param options `last`: whether to return the last position of each row only.
   * @returns [rows · L, vocabulary], or with `last` [rows, vocabulary].
   * @throws {Error} (as a rejection) for token ids, lengths or shapes that do not fit the model.
   */
  logits(
    tokens: Int32Array,
    rows: number,
    replacement?: Matrix,
    options?: { last?: boolean },
  ): Promise<Matrix>;
  /**
   * Directions of the residual stream times the unembedding, W · W_U: the effect of each on the
   * logits, without the final norm, biases and soft caps.
   *
   * @param directions [n, width of the residual stream].
   * @param options `finalNorm`: whether to multiply by the final norm's scale first, and to subtract
   * each direction's mean before that where the norm is a LayerNorm.
   * @returns [n, vocabulary].
   * @throws {Error} (as a rejection) The unembedding, or the final norm, is not found in the graph.
   */
  unembed(directions: Matrix, options?: { finalNorm?: boolean }): Promise<Matrix>;
}

/** Result of {@linkcode LanguageModel.spliceLosses}, at each position but the last of a row. */
export interface SpliceLosses {
  /** Loss in nats with the model's own activations, [rows · (L − 1)]. */
  own: Float32Array;
  /** Per replacement, the loss and the divergence KL(own ‖ spliced) of the predictions, in nats. */
  spliced: { loss: Float32Array; divergence: Float32Array }[];
}
