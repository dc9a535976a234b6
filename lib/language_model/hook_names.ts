// Names of modules in Hugging Face's models: a layer stands for what it gives.
const layer =
  /^(?:transformer\.h|transformer\.blocks|gpt_neox\.layers|model\.(?:decoder\.|language_model\.)?layers)\.(\d+)(?:\.output)?$/;
const embedding =
  /^(?:transformer\.wte|gpt_neox\.embed_in|model\.(?:decoder\.|language_model\.)?embed_tokens|embed\.hook_out)$/;

// Names of TransformerBridge, which TransformerLens 3 has beside the older ones.
const bridge: Record<string, string> = {
  "hook_in": "hook_resid_pre",
  "hook_out": "hook_resid_post",
  "ln1.hook_in": "hook_resid_pre",
  "ln2.hook_in": "hook_resid_mid",
  "attn.hook_out": "hook_attn_out",
  "mlp.hook_out": "hook_mlp_out",
  "attn.o.hook_in": "attn.hook_z",
  "mlp.out.hook_in": "mlp.hook_post",
  "mlp.gate.hook_out": "mlp.hook_pre",
};

/**
 * The TransformerLens names that another name of a hook may stand for, the first that a model has being
 * meant; the name itself where it is none of TransformerBridge's or of a module.
 */
export function hookNames(hook: string): string[] {
  const module = layer.exec(hook);
  if (module) return [`blocks.${module[1]}.hook_resid_post`];
  if (embedding.test(hook)) return ["hook_embed"];
  const [, number, rest] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? [];
  if (rest === undefined) return [hook];
  const of = (names: string[]) => names.map((name) => `blocks.${number}.${name}`);
  // The product that the nonlinearity does not see, in MLPs with a gate.
  if (rest === "mlp.in.hook_out") return of(["mlp.hook_pre_linear", "mlp.hook_pre"]);
  return rest in bridge ? of([bridge[rest]]) : [hook];
}
