import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import { assembleSae } from "./assemble_sae.ts";
import { named } from "./config_values.ts";
import type { LoadRequest } from "./load_request.ts";
import { parseConfig } from "./parse_config.ts";
import { openTorch } from "./torch_file.ts";

/** Name of the config that belongs to `NAME.pt`. */
export function hookZConfig(weights: string): string {
  return weights.replace(/\.pt$/, "_cfg.json");
}

/**
 * Loads an SAE of the attention heads' outputs, side by side, by Kissane and others: `NAME.pt` with `W_enc`
 * [d, m], `W_dec` [m, d], `b_enc`, `b_dec`, and `NAME_cfg.json` (`act_name`, `act_size`, `dict_size`). A ReLU; the
 * decoder bias is subtracted from the input.
 *
 * @throws {Error} The files are malformed, or do not fit each other.
 */
export async function loadHookZ(
  configPath: string,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  const given = parseConfig(configPath, readRegularText(configPath));
  await using file = await openTorch(weights);
  return await assembleSae(file, {
    format: "hook-z",
    configPath,
    config: {
      architecture: "standard",
      ...named("d_in", given.act_size),
      ...named("d_sae", given.dict_size),
      apply_b_dec_to_input: true,
      reshape_activations: "hook_z",
      context_size: given.seq_len ?? 128,
      prepend_bos: true,
      model_from_pretrained_kwargs: {},
      model_name: given.model_name ?? "gpt2-small",
      ...named("hook_name", given.act_name),
    },
    weights: { wEnc: ["W_enc", "[d, m]"], wDec: ["W_dec", "[m, d]"], bEnc: "b_enc", bDec: "b_dec" },
  }, request);
}
