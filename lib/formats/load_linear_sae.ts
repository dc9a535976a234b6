import type { Sae } from "../sae/sae.ts";
import { assembleSae, type WeightNames } from "./assemble_sae.ts";
import { named } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import type { TorchFile } from "./torch_file.ts";

/** The layers of Goodfire's SAEs, and of DeepSeek R1's by qresearch. */
const layers = [["encoder_linear", "decoder_linear"], ["encoder", "decoder"]] as const;

/** Who published the models that such SAEs read. */
const owners = [["DeepSeek", "deepseek-ai"], ["Llama", "meta-llama"]] as const;

/** Whether a file holds two linear layers and nothing else of an SAE. */
export function isLinearSae({ tensors }: TorchFile): boolean {
  return layersOf(tensors) !== undefined;
}

function layersOf(tensors: TorchFile["tensors"]): typeof layers[number] | undefined {
  return layers.find((names) =>
    names.every((name) => tensors.has(`${name}.weight`) && tensors.has(`${name}.bias`))
  );
}

/**
 * Loads a ReLU SAE that is two linear layers with biases, as Goodfire's and qresearch's are:
 * `{model}-SAE-l{layer}.pth` with `encoder_linear.weight` [m, d] and so on, or `encoder.weight`. It reads a layer's
 * output; the decoder bias is not subtracted from the input.
 *
 * @throws {Error} The tensors do not fit each other.
 */
export async function loadLinearSae(
  file: TorchFile,
  request: LoadRequest,
): Promise<Sae> {
  const [encoder, decoder] = layersOf(file.tensors)!;
  const [, model, layer] = /([^/\\]+)-SAE-l(\d+)\.pth?$/.exec(request.place) ?? [];
  const owner = owners.find(([start]) => model?.startsWith(start))?.[1];
  const weights: WeightNames = {
    wEnc: [`${encoder}.weight`, "[m, d]"],
    wDec: [`${decoder}.weight`, "[d, m]"],
    bEnc: `${encoder}.bias`,
    bDec: `${decoder}.bias`,
  };
  return await assembleSae(file, {
    format: encoder === "encoder_linear" ? "goodfire" : "linear",
    configPath: file.path,
    config: {
      architecture: "standard",
      apply_b_dec_to_input: false,
      prepend_bos: true,
      model_from_pretrained_kwargs: {},
      ...named("model_name", owner && `${owner}/${model}`),
      ...named("hook_name", layer && `blocks.${layer}.hook_resid_post`),
    },
    weights,
  }, request);
}
