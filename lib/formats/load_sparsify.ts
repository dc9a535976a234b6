import { readRegularText } from "../language_model/regular_file.ts";
import { checkSae, kRange, validK } from "../sae/check.ts";
import type { Sae } from "../sae/sae.ts";
import { isWhole } from "../whole_number.ts";
import type { LoadRequest } from "./load_request.ts";
import { parseConfig } from "./parse_config.ts";
import { refuseForeign, refuseForeignTensors } from "./refuse_config.ts";
import { openSafetensors } from "./safetensors.ts";
import { checkShape, readMatrix, readTensor, type TensorFile } from "./tensor_file.ts";

/**
 * Loads a TopK SAE that sparsify wrote: `cfg.json` (`activation`, `d_in`, `num_latents` or
 * `expansion_factor`, `k`) and `sae.safetensors` (`encoder.weight` [m, d], `encoder.bias` [m], `W_dec`
 * [m, d], `b_dec` [d]), in a folder that is named after the module whose output it reads.
 *
 * @throws {Error} A file is malformed, they do not fit each other, or it is a transcoder or selects
 * otherwise than by TopK.
 */
export async function loadSparsify(
  config: string,
  weights: string,
  { source, overrides, signal }: LoadRequest,
): Promise<Sae> {
  const cfg = { ...parseConfig(config, readRegularText(config)), ...overrides };
  refuseForeign(config, cfg);
  const activation = cfg.activation ?? "topk";
  if (activation !== "topk") {
    throw new Error(
      `activation is ${
        JSON.stringify(activation).slice(0, 60)
      }, expected "topk" (others, groupmax ` +
        `for one, are not supported), in ${config}`,
    );
  }
  if (cfg.signed === true) {
    throw new Error(`signed is true, expected activations from 0 on, in ${config}`);
  }
  await using file = await openSafetensors(weights);
  refuseForeignTensors(weights, file.tensors.keys());
  const { d, m } = sizes(config, cfg, file);
  if (!validK("topk", cfg.k, m)) {
    throw new Error(
      `k is ${JSON.stringify(cfg.k) ?? "missing"}, expected ${
        kRange("topk")
      } num_latents = ${m}, ` +
        `in ${config}`,
    );
  }
  checkShape(file, "encoder.weight", [m, d], "[dictSize, dModel]");
  checkShape(file, "encoder.bias", [m], "[dictSize]");
  checkShape(file, "W_dec", [m, d], "[dictSize, dModel]");
  checkShape(file, "b_dec", [d], "[dModel]");
  const sae: Sae = {
    architecture: "topk",
    dModel: d,
    dictSize: m,
    k: cfg.k,
    wEnc: await readMatrix(file, "encoder.weight", false, signal),
    bEnc: await readTensor(file, "encoder.bias", signal),
    wDec: await readMatrix(file, "W_dec", false, signal),
    bDec: await readTensor(file, "b_dec", signal),
    subtractDecoderBias: true,
    inputNormalization: "none",
    metadata: { ...hookOf(source, config), source, format: "sparsify" },
  };
  try {
    checkSae(sae);
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${weights}`);
  }
  return sae;
}

function sizes(
  path: string,
  cfg: Record<string, unknown>,
  file: TensorFile,
): { d: number; m: number } {
  const size = (key: string, value: unknown): number => {
    if (isWhole(value, 1)) return value;
    const found = JSON.stringify(value)?.slice(0, 60) ?? "missing";
    throw new Error(`${key} is ${found}, expected a whole number above 0, in ${path}`);
  };
  const d = size("d_in", cfg.d_in);
  // 0 latents stand for a multiple of the width.
  if (cfg.num_latents) return { d, m: size("num_latents", cfg.num_latents) };
  if (cfg.expansion_factor !== undefined) {
    return { d, m: d * size("expansion_factor", cfg.expansion_factor) };
  }
  return { d, m: size("num_latents", file.tensors.get("encoder.weight")?.shape[0]) };
}

/** `layers.5` is a layer's output, `layers.5.mlp` that of its MLP; GPT-2 says `h` or `transformer.h`. */
function hookOf(source: string, config: string): Record<string, unknown> {
  const module = /(?:^|\.)(?:layers|h)[._](\d+)(?:\.(mlp|attention|attn|self_attn))?$/;
  const folders = [source.split(/[\\/]/).at(-1), config.split(/[\\/]/).at(-2)];
  const found = folders.map((folder) => module.exec(folder ?? "")).find((match) => match);
  if (!found) return {};
  const [, layer, part] = found;
  const point = part === undefined ? "resid_post" : part === "mlp" ? "mlp_out" : "attn_out";
  return { hook: `blocks.${layer}.hook_${point}` };
}
