type Json = Record<string, unknown>;

const transcoder = "a transcoder reads one point of the model and writes another, an SAE " +
  "reconstructs what it reads";

/** Why architectures that others have are not read. */
const reasons: Readonly<Record<string, string>> = {
  transcoder,
  skip_transcoder: transcoder,
  jumprelu_transcoder: transcoder,
  jumprelu_skip_transcoder: transcoder,
  matching_pursuit: "matching pursuit encodes step by step, not by one product and a selection",
  temporal: "a temporal SAE encodes a sample with those before it",
  abstopk:
    "it keeps the k latents of the largest absolute value, negative ones too, while activations " +
    "are from 0 on here",
};

/** Names under which TopK SAEs were published with configs that do not say so (OpenAI's are "v5"). */
const topKNames = /top[-_ ]?k|\boai\b|\bv5[-_](32|128)k/i;

/**
 * Refuses configs of anything but a plain SAE: transcoders, SAEs of several layers or samples.
 *
 * @param path The config, used in errors.
 * @throws {Error} With what it is and why it cannot be read.
 */
export function refuseForeign(path: string, cfg: Json): void {
  const { architecture } = cfg;
  if (typeof architecture === "string" && Object.hasOwn(reasons, architecture)) {
    throw new Error(
      `architecture is "${architecture}", which is not supported (${
        reasons[architecture]
      }), in ${path}`,
    );
  }
  if (cfg.normalize_activations === "covariance_whitening") {
    throw new Error(
      `normalize_activations is "covariance_whitening", which is not supported (its weights read samples ` +
        `that were multiplied by a matrix. SAELens makes that part of the weights of an SAE that is done ` +
        `training, whose config says "none": load that one), in ${path}`,
    );
  }
  const output = cfg.d_out ?? cfg.hook_name_out ?? cfg.hook_point_out;
  if (cfg.is_transcoder === true || cfg.transcode === true || cfg.skip_connection === true) {
    throw new Error(`this is a transcoder, which is not supported (${transcoder}), in ${path}`);
  }
  if (output !== undefined && output !== null && output !== cfg.d_in) {
    throw new Error(
      `d_out or the output's hook is ${
        JSON.stringify(output).slice(0, 60)
      }, d_in is ${cfg.d_in}: ` +
        `this is a transcoder, which is not supported (${transcoder}), in ${path}`,
    );
  }
}

/**
 * Refuses a config that says ReLU, by default or in words, while something in it or in its path
 * indicates TopK: read as ReLU such an SAE has hundreds of active latents in place of k.
 *
 * @throws {Error} With what was found and what to do.
 */
export function refuseHiddenTopK(path: string, cfg: Json): void {
  const inner = typeof cfg.metadata === "object" ? cfg.metadata as Json : {};
  const texts = Object.entries({ ...inner, ...cfg })
    .filter(([key, value]) => typeof value === "string" && !/dataset|model_name/.test(key));
  // A folder's name counts where the config does not name an architecture itself.
  if (cfg.architecture === undefined) {
    texts.push(["its path", path.split(/[\\/]/).slice(-3, -1).join("/")]);
  }
  const hint = texts.find(([, value]) => topKNames.test(value as string));
  if (hint) {
    throw new Error(
      `activation_fn_str is missing or relu, but ${hint[0]} is ${
        JSON.stringify(hint[1]).slice(0, 80)
      }: is this a topk SAE? Say it, config { architecture: "topk", k: … } (or "standard"), in ${path}`,
    );
  }
}

/**
 * @param gated Whether the config says that it is a gated SAE.
 * @throws {Error} The weights are those of a transcoder, whatever the config says, or of a gated SAE where it does
 * not say so, or have two tensors whose names differ in case only (`W_enc` and `w_enc`): nothing says which one
 * is meant.
 */
export function refuseForeignTensors(path: string, names: Iterable<string>, gated = false): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) {
      throw new Error(`${other} and ${name} are both there, expected one of them, in ${path}`);
    }
    seen.set(name.toLowerCase(), name);
    if (!gated && ["r_mag", "b_gate", "b_mag", "gate_bias", "mag_bias"].includes(name)) {
      throw new Error(
        `${name} makes this a gated SAE, but its config does not say so (architecture "gated"), in ${path}`,
      );
    }
    if (name === "W_skip" || name === "b_dec_out") {
      throw new Error(`${name} makes this a transcoder, not supported (${transcoder}), in ${path}`);
    }
  }
}
