import { isWhole } from "../whole_number.ts";
import { parseCheckedJson } from "./checked_json.ts";

/** A decoder's config.json. */
export interface ModelConfig {
  /** Model type (`model_type`), such as `gpt2` or `gemma2`; "unknown" where it is absent. */
  family: string;
  /** Width of the residual stream. */
  dModel: number;
  /** Number of layers. */
  layers: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /**
   * Id of the token that begins rows: `bos_token_id`, else `eos_token_id`; undefined where config.json
   * has neither.
   */
  bosToken: number | undefined;
  /** Longest context in tokens; 2048 where config.json has none. */
  maxContext: number;
  /** Bases θ of the rotary position embeddings in config.json; often one, or none. */
  rotaryBases: number[];
}

/**
 * Reads a Hugging Face config.json.
 *
 * @param text The file's text.
 * @param path Its path, for error messages.
 * @throws {Error} A field is missing or is not a whole number, or the model is an encoder-decoder.
 */
export function readModelConfig(text: string, path: string): ModelConfig {
  const config = parseCheckedJson(path, text) as Record<string, unknown>;
  if (typeof config !== "object" || config === null) {
    throw new Error(`${path} holds ${JSON.stringify(config)}, expected an object`);
  }
  // Multimodal models keep their decoder's fields in text_config.
  const nested = config.text_config;
  const fields = typeof nested === "object" && nested !== null ? { ...config, ...nested } : config;

  function optionalWhole(least: number, names: string[]): number | undefined {
    for (const name of names) {
      const found = (fields as Record<string, unknown>)[name];
      const value = Array.isArray(found) ? found[0] : found;
      if (value === undefined || value === null) continue;
      if (isWhole(value, least)) return value;
      throw new Error(
        `${path}: ${name} is ${JSON.stringify(found)}, expected a whole number from ${least}`,
      );
    }
  }

  function whole(least: number, names: string[]): number {
    const value = optionalWhole(least, names);
    if (value === undefined) throw new Error(`${path} has no ${names.join(" or ")}`);
    return value;
  }

  if ((fields as Record<string, unknown>).is_encoder_decoder === true) {
    throw new Error(
      `${path}: a ${String(config.model_type ?? "model")} has an encoder and a decoder ` +
        `(is_encoder_decoder), expected a decoder only`,
    );
  }
  return {
    family: typeof config.model_type === "string" ? config.model_type : "unknown",
    dModel: whole(1, ["hidden_size", "n_embd", "n_embed", "d_model"]),
    layers: whole(1, ["num_hidden_layers", "n_layer", "num_layers", "n_layers"]),
    vocabSize: whole(1, ["vocab_size"]),
    bosToken: optionalWhole(0, ["bos_token_id", "eos_token_id"]),
    // BLOOM has no longest context (ALiBi), and its config.json no field for one.
    maxContext: optionalWhole(
      1,
      ["n_positions", "max_position_embeddings", "n_ctx", "max_seq_len", "seq_length"],
    ) ?? 2048,
    rotaryBases: rotaryBases(fields as Record<string, unknown>),
  };
}

// transformers 4: rope_theta, Gemma 3's rope_local_base_freq, GPT-NeoX's rotary_emb_base;
// transformers 5: rope_parameters, with one set of numbers or one per kind of layer.
function rotaryBases(fields: Record<string, unknown>): number[] {
  const objects = (value: unknown) =>
    typeof value === "object" && value !== null ? [value as Record<string, unknown>] : [];
  const parameters = objects(fields.rope_parameters);
  const perKind = parameters.flatMap((each) => Object.values(each).flatMap(objects));
  const named = [fields, ...parameters, ...perKind].flatMap((object) =>
    ["rope_theta", "rope_local_base_freq", "rotary_emb_base"].map((name) => object[name])
  );
  const bases = named.filter((base) => typeof base === "number" && base > 0) as number[];
  return [...new Set(bases)];
}
