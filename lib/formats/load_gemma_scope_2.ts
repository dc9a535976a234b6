import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import { assembleSae } from "./assemble_sae.ts";
import { type Json, named, showValue } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import { parseConfig } from "./parse_config.ts";
import { openSafetensors } from "./safetensors.ts";

/** What the folders are named after, and the hook in TransformerLens's terms. */
const points: Readonly<Record<string, string>> = {
  resid_post: "hook_resid_post",
  // The input of the output projection, heads side by side.
  attn_out: "attn.hook_z",
  // Behind the norm that follows the MLP.
  mlp_out: "hook_mlp_out",
};

/** The same, as `config.json` names them. */
const modules: readonly [RegExp, point: string][] = [
  [/^model\.layers\.(\d+)\.output$/, "resid_post"],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\.input$/, "attn_out"],
  [/^model\.layers\.(\d+)\.post_feedforward_layernorm\.output$/, "mlp_out"],
];

/**
 * Loads a Gemma Scope 2 SAE, a JumpReLU: `params.safetensors` with `w_enc` [d, m], `w_dec` [m, d], `b_enc`,
 * `b_dec`, `threshold`, and a `config.json` that may be absent: then model and hook follow from the path,
 * `google/gemma-scope-2-270m-pt/resid_post/layer_12_width_16k_l0_small`. The decoder bias is not subtracted from
 * the input.
 *
 * @throws {Error} The files are malformed, or it is a transcoder or a cross-layer one.
 */
export async function loadGemmaScope2(
  configPath: string | undefined,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  const given = configPath === undefined
    ? {}
    : parseConfig(configPath, readRegularText(configPath));
  const where = configPath ?? weights;
  const { place } = request;
  await using file = await openSafetensors(weights);
  const output = given.hf_hook_point_out ?? given.hf_hook_point_in;
  if (
    /transcoder|(^|\/)clt|crosscoder/.test(place) || output !== given.hf_hook_point_in ||
    given.affine_connection !== undefined || file.tensors.has("affine_skip_connection")
  ) {
    throw new Error(
      `${place} is a transcoder or reads several layers, which is not supported (it reads one point of ` +
        `the model and writes another, an SAE reconstructs what it reads)`,
    );
  }
  if (given.architecture !== undefined && given.architecture !== "jump_relu") {
    throw new Error(
      `architecture is ${showValue(given.architecture)}, expected "jump_relu", in ${where}`,
    );
  }
  const config: Json = {
    architecture: "jumprelu",
    apply_b_dec_to_input: false,
    context_size: 1024,
    prepend_bos: true,
    model_from_pretrained_kwargs: {},
    ...named("model_name", modelOf(given.model_name, place)),
    ...named("hook_name", hookOf(given.hf_hook_point_in, place)),
    ...named("hf_hook_name", given.hf_hook_point_in),
  };
  return await assembleSae(file, {
    format: "gemma-scope-2",
    configPath: where,
    config,
    weights: {
      wEnc: ["w_enc", "[d, m]"],
      wDec: ["w_dec", "[m, d]"],
      bEnc: "b_enc",
      bDec: "b_dec",
      threshold: "threshold",
    },
  }, request);
}

/** `gemma-v3-270m-pt` and `gemma-scope-2-270m-pt` are `google/gemma-3-270m`, which alone has no `-pt`. */
function modelOf(name: unknown, place: string): string | undefined {
  const text = typeof name === "string" ? name : place;
  const found = /gemma-(?:v?3|scope-2)-(\d+[mb])-(pt|it)/.exec(text);
  if (!found) return undefined;
  const [, size, tuning] = found;
  return `google/gemma-3-${size}${size === "270m" && tuning === "pt" ? "" : `-${tuning}`}`;
}

function hookOf(module: unknown, place: string): string | undefined {
  const inPath = /\b(resid_post|attn_out|mlp_out)(?:_all)?[\\/]layer_(\d+)_/.exec(place);
  if (inPath) return `blocks.${inPath[2]}.${points[inPath[1]]}`;
  for (const [pattern, point] of modules) {
    const found = pattern.exec(String(module));
    if (found) return `blocks.${found[1]}.${points[point]}`;
  }
}
