import { basename } from "@std/path";
import type { Sae } from "../sae/sae.ts";
import { loadHookZ } from "./load_hook_z.ts";
import { isLinearSae, loadLinearSae } from "./load_linear_sae.ts";
import { loadQwenScope, qwenScopeName } from "./load_qwen_scope.ts";
import type { LoadRequest } from "./load_request.ts";
import { openTorch } from "./torch_file.ts";

/**
 * Loads an SAE from a file of `torch.save` that stands alone: Qwen Scope's by its name, those of attention heads
 * by their config, others by the names of their tensors.
 *
 * @param config `NAME_cfg.json` of `NAME.pt`, where there is one.
 * @throws {Error} It is malformed, or nothing says what it is.
 */
export async function loadTorchSae(
  config: string | undefined,
  weights: string,
  request: LoadRequest,
): Promise<Sae> {
  if (qwenScopeName.test(basename(weights))) return await loadQwenScope(weights, request);
  if (config !== undefined) return await loadHookZ(config, weights, request);
  await using file = await openTorch(weights);
  if (isLinearSae(file)) return await loadLinearSae(file, request);
  const found = [...file.tensors.keys()].slice(0, 12).join(", ") || "no tensor";
  throw new Error(
    `${weights} holds ${found}: nothing says what it is. Expected ae.pt with its config.json ` +
      `(dictionary_learning), layer0.sae.pt (Qwen Scope), NAME.pt with NAME_cfg.json (attention heads), or two ` +
      `linear layers with biases (Goodfire)`,
  );
}
