import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import { assembleSae, type WeightNames } from "./assemble_sae.ts";
import { isRecord, type Json, named, showValue } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import { parseConfig } from "./parse_config.ts";
import { readTensor } from "./tensor_file.ts";
import { openTorch, type TorchFile } from "./torch_file.ts";

/** What a class of dictionary_learning is here. */
interface DictClass {
  architecture: string;
  /** Whether the encoder reads x − b_dec. */
  subtracts: boolean;
  /** Whether its threshold is used: it is stored by AutoEncoderTopK too, which keeps the k largest. */
  threshold?: true;
}

const classes: Readonly<Record<string, DictClass>> = {
  AutoEncoder: { architecture: "standard", subtracts: true },
  AutoEncoderNew: { architecture: "standard", subtracts: false },
  GatedAutoEncoder: { architecture: "gated", subtracts: true },
  JumpReluAutoEncoder: { architecture: "jumprelu", subtracts: false, threshold: true },
  AutoEncoderTopK: { architecture: "topk", subtracts: true },
  BatchTopKSAE: { architecture: "batchtopk", subtracts: true, threshold: true },
  MatryoshkaBatchTopKSAE: {
    architecture: "matryoshka_batchtopk",
    subtracts: true,
    threshold: true,
  },
};

/** Why others are not read. */
const refused: Readonly<Record<string, string>> = {
  IdentityDict: "it has no weights",
  CrossCoder: "it reads several layers, an SAE one",
  BatchTopKCrossCoder: "it reads several layers, an SAE one",
};

/** Submodules by the names that their scripts give them, and the hook. */
const points: readonly [RegExp, string][] = [
  [/^resid_post/, "hook_resid_post"],
  [/^resid_pre/, "hook_resid_pre"],
  [/^mlp/, "hook_mlp_out"],
  [/^att/, "hook_attn_out"],
];

/**
 * Loads an SAE of dictionary_learning or SAEBench: `ae.pt`, a state dict, and `config.json` with
 * `trainer.dict_class`. Thresholds of one number hold for all latents. Activations are those before the classes'
 * division by decoder norms, which they undo when they decode.
 *
 * @throws {Error} The files are malformed, do not fit each other, or are no SAE of one hook.
 */
export async function loadDictionaryLearning(
  configPath: string,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  const given = parseConfig(configPath, readRegularText(configPath));
  if (!isRecord(given.trainer)) {
    throw new Error(`trainer is ${showValue(given.trainer)}, expected an object, in ${configPath}`);
  }
  const { trainer } = given;
  const buffer = isRecord(given.buffer) ? given.buffer : {};
  if (buffer.io !== undefined && buffer.io !== "in" && buffer.io !== "out") {
    throw new Error(
      `buffer.io is ${
        showValue(buffer.io)
      }: this is a transcoder, which is not supported (it reads one ` +
        `point of the model and writes another), in ${configPath}`,
    );
  }
  const kind = dictClass(trainer.dict_class, configPath);
  await using file = await openTorch(weights);
  const names = weightNames(file, kind);
  // The April update's trainer has a decoder with a bias, and reads x itself.
  const subtracts = kind.subtracts && names.bDec !== "decoder.bias";
  return await assembleSae(file, {
    format: "dictionary-learning",
    configPath,
    config: {
      architecture: kind.architecture,
      ...named("d_in", trainer.activation_dim),
      ...named("d_sae", trainer.dict_size),
      ...await kOf(file, kind, trainer),
      apply_b_dec_to_input: subtracts,
      model_from_pretrained_kwargs: {},
      prepend_bos: true,
      ...named("context_size", buffer.ctx_len),
      ...named("model_name", trainer.lm_name),
      ...named("hook_name", hookOf(trainer)),
      dict_class: trainer.dict_class,
      ...named("group_sizes", trainer.group_sizes),
    },
    weights: names,
  }, request);
}

function dictClass(name: unknown, path: string): DictClass {
  if (typeof name === "string" && Object.hasOwn(classes, name)) return classes[name];
  const why = typeof name === "string" && Object.hasOwn(refused, name) ? `: ${refused[name]}` : "";
  throw new Error(
    `trainer.dict_class is ${showValue(name)}, expected one of ${
      Object.keys(classes).join(", ")
    }${why}, in ${path}`,
  );
}

function weightNames({ tensors }: TorchFile, kind: DictClass): WeightNames {
  const first = (...names: string[]) => names.find((name) => tensors.has(name)) ?? names[0];
  const gated = kind.architecture === "gated";
  return {
    wEnc: tensors.has("W_enc") ? ["W_enc", "[d, m]"] : ["encoder.weight", "[m, d]"],
    wDec: tensors.has("W_dec") ? ["W_dec", "[m, d]"] : ["decoder.weight", "[d, m]"],
    bEnc: gated ? "mag_bias" : first("encoder.bias", "b_enc"),
    bDec: first("b_dec", "bias", "decoder_bias", "decoder.bias"),
    ...(gated ? { gate: { bias: "gate_bias", logScale: "r_mag" } } : {}),
    ...(kind.threshold ? { threshold: "threshold" } : {}),
  };
}

/** k of the config, else of the weights. */
async function kOf(file: TorchFile, kind: DictClass, trainer: Json): Promise<Json> {
  if (!/topk/.test(kind.architecture)) return {};
  if (trainer.k !== undefined && trainer.k !== null) return { k: trainer.k };
  const stored = file.tensors.get("k");
  if (stored?.shape.length === 0) return { k: (await readTensor(file, "k"))[0] };
  return named("k", file.values.get("k"));
}

function hookOf({ layer, submodule_name: submodule }: Json): string | undefined {
  if (!Number.isSafeInteger(layer)) return undefined;
  const found = typeof submodule === "string"
    ? points.find(([pattern]) => pattern.test(submodule))?.[1]
    : "hook_resid_post";
  return found === undefined ? undefined : `blocks.${layer}.${found}`;
}
