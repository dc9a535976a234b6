type Json = Record<string, unknown>;

// Models with LayerNorm that TransformerLens knows. RMSNorm does not subtract the mean, so that
// centring would change those models; TransformerLens leaves them as they are.
const layerNormModels = /^(gpt2|distilgpt2|pythia|opt|gpt-neo|gpt-j|bloom|solu|gelu|attn-only)/i;

// Where what writes to the residual stream can be seen.
const writtenPoints = /hook_(resid_(pre|mid|post)|mlp_out|attn_out|embed|pos_embed)$/;

/**
 * What was done to a model's activations before a SAELens SAE saw them: "center" where TransformerLens
 * had centred the weights that write to the residual stream, so that each activation's mean over d is
 * zero.
 *
 * A config that says so in `model_from_pretrained_kwargs` is taken at its word. SAELens writes them since
 * 3.19.2; before, it loaded every model with TransformerLens's defaults, which centre LayerNorm models.
 * The GPT-2 SAEs of the paper are such.
 *
 * @param cfg The flat config, or its metadata since SAELens 6.
 * @param hook The hook that it names.
 */
export function publishedTransform(cfg: Json, hook: unknown): "center" | undefined {
  if (typeof hook !== "string" || !writtenPoints.test(hook)) return undefined;
  const kwargs = cfg.model_from_pretrained_kwargs;
  if (typeof kwargs === "object" && kwargs !== null) {
    return (kwargs as Json).center_writing_weights === true ? "center" : undefined;
  }
  const version = String(cfg.sae_lens_training_version ?? cfg.sae_lens_version ?? "0");
  const name = String(cfg.model_name ?? "").split("/").at(-1)!;
  return isBefore(version, [3, 19, 2]) && layerNormModels.test(name) ? "center" : undefined;
}

function isBefore(version: string, than: number[]): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part) || 0);
  const at = than.findIndex((part, i) => part !== (parts[i] ?? 0));
  return at >= 0 && (parts[at] ?? 0) < than[at];
}
