import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import { assembleSae, type WeightNames } from "./assemble_sae.ts";
import { isRecord, type Json, named, positive, showValue } from "./config_values.ts";
import { R1_INPUT_SCALES } from "./release_table.ts";
import type { LoadRequest } from "./load_request.ts";
import { parseConfig } from "./parse_config.ts";
import { openSafetensors } from "./safetensors.ts";
import { checkShape, readTensor, type TensorFile } from "./tensor_file.ts";

const weightNames: WeightNames = {
  wEnc: ["encoder.weight", "[m, d]"],
  wDec: ["decoder.weight", "[d, m]"],
  bEnc: "encoder.bias",
  bDec: "decoder.bias",
};

/**
 * Loads a Llama Scope SAE, a JumpReLU: `hyperparams.json` and `checkpoints/final.safetensors` with
 * `encoder.weight` [m, d], `decoder.weight` [d, m] and biases. Inputs are scaled by s = √d /
 * `dataset_average_activation_norm.in`; all latents have the threshold s · `jump_relu_threshold`, as its authors
 * corrected it in SAELens. The decoder bias is not subtracted from the input unless
 * `apply_decoder_bias_to_pre_encoder` says so.
 *
 * @throws {Error} The files are malformed, or it is no SAE of one hook.
 */
export async function loadLlamaScope(
  configPath: string,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  const given = parseConfig(configPath, readRegularText(configPath));
  await using file = await openSafetensors(weights);
  const d = file.tensors.get("encoder.weight")?.shape.at(-1) ?? 0;
  const threshold = positive(given.jump_relu_threshold, "jump_relu_threshold", configPath);
  const norms = isRecord(given.dataset_average_activation_norm)
    ? given.dataset_average_activation_norm
    : {};
  const norm = positive(norms.in, "dataset_average_activation_norm.in", configPath);
  const inputScale = Math.sqrt(d) / norm;
  return await load(file, {
    configPath,
    given,
    inputScale,
    threshold: threshold * inputScale,
    model: "meta-llama/Llama-3.1-8B",
  }, request);
}

/**
 * Loads a Llama Scope SAE of DeepSeek R1's distilled Llama: `config.json` and `sae_weights.safetensors`, where
 * thresholds are those of each latent, exp(`log_jumprelu_threshold`). The norm of inputs is in neither: it is
 * SAELens's table that has the 96 factors, one for each SAE of `fnlp/Llama-Scope-R1-Distill`.
 *
 * Where the place does not say which of them it is, the factor is missing and has to be given.
 *
 * @throws {Error} The files are malformed, or it is no SAE of one hook.
 */
export async function loadLlamaScopeR1(
  configPath: string,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  const given = parseConfig(configPath, readRegularText(configPath));
  await using file = await openSafetensors(weights);
  const inputScale = await r1Scale(file, given.hook_point_in, request.place);
  const threshold = { log: "log_jumprelu_threshold" };
  const model = "deepseek-ai/DeepSeek-R1-Distill-Llama-8B";
  return await load(file, { configPath, given, inputScale, threshold, model }, request);
}

/** What inputs are multiplied by; undefined where neither the file nor the place tells: then it has to be given. */
async function r1Scale(
  file: TensorFile,
  hook: unknown,
  place: string,
): Promise<number | undefined> {
  const norm = `dataset_average_activation_norm.${hook}`;
  if (file.tensors.has(norm)) {
    const d = file.tensors.get("encoder.weight")?.shape.at(-1) ?? 0;
    checkShape(file, norm, [], "one number");
    return Math.sqrt(d) / positive((await readTensor(file, norm))[0], norm, file.path);
  }
  const found = /(\d+)M?-Slimpajama-\d+M?-OpenR1-Math-220k[\\/]L(\d+)R/.exec(place);
  const scale = found && R1_INPUT_SCALES[found[1]]?.split(" ")[Number(found[2])];
  return scale ? Number(scale) : undefined;
}

async function load(
  file: TensorFile,
  { configPath, given, inputScale, threshold, model }: {
    configPath: string;
    given: Json;
    inputScale: number | undefined;
    threshold: WeightNames["threshold"];
    model: string;
  },
  request: LoadRequest,
): Promise<Sae> {
  const { act_fn: activation = "jumprelu", hook_point_in: hook, hook_point_out: out = hook } =
    given;
  if (activation !== "jumprelu") {
    throw new Error(
      `act_fn is ${showValue(activation)}, expected "jumprelu", in ${configPath}`,
    );
  }
  if (given.use_glu_encoder === true) {
    throw new Error(`use_glu_encoder is true: an Sae has one encoder, in ${configPath}`);
  }
  if (out !== hook) {
    throw new Error(
      `hook_point_out is ${showValue(out)}, hook_point_in ${showValue(hook)}: this is a ` +
        `transcoder, which is not supported, in ${configPath}`,
    );
  }
  return await assembleSae(file, {
    format: "llama-scope",
    configPath,
    config: {
      architecture: "jumprelu",
      ...named("d_in", given.d_model),
      ...named("d_sae", given.d_sae),
      apply_b_dec_to_input: given.apply_decoder_bias_to_pre_encoder ?? false,
      normalize_activations: "expected_average_only_in",
      context_size: 1024,
      prepend_bos: true,
      model_from_pretrained_kwargs: {},
      model_name: model,
      ...named("hook_name", hook),
    },
    weights: {
      ...weightNames,
      threshold,
      ...(given.use_decoder_bias === false ? { bDec: undefined } : {}),
    },
    inputScale,
  }, request);
}
