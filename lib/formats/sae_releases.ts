import type { HubSae } from "./hub_sae.ts";

/** Releases of SAELens and their repositories, those whose files can be read (`pretrained_saes.yaml`). */
const RELEASES: Record<string, string> = {
  "gpt2-small-res-jb": "jbloom/GPT2-Small-SAEs-Reformatted",
  "gpt2-small-res-jb-feature-splitting": "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8",
  "gpt2-small-resid-mid-v5-32k": "jbloom/GPT2-Small-OAI-v5-32k-resid-mid-SAEs",
  "gpt2-small-resid-mid-v5-128k": "jbloom/GPT2-Small-OAI-v5-128k-resid-mid-SAEs",
  "gpt2-small-resid-post-v5-128k": "jbloom/GPT2-Small-OAI-v5-128k-resid-post-SAEs",
  "gemma-2b-res-jb": "jbloom/Gemma-2b-Residual-Stream-SAEs",
  "gemma-2b-it-res-jb": "jbloom/Gemma-2b-IT-Residual-Stream-SAEs",
  ...Object.fromEntries(
    ["2b-pt-res", "2b-pt-att", "2b-pt-mlp", "9b-pt-res", "9b-pt-att", "9b-pt-mlp", "9b-it-res"]
      .map((name) => [`gemma-scope-${name}`, `google/gemma-scope-${name}`]),
  ),
};

/** An SAE of a release. */
export interface ReleasedSae extends HubSae {
  /** What is to be said where it is not found. */
  hint: string;
}

/**
 * Reads the name of an SAELens release, with the id of an SAE behind a slash:
 * `gpt2-small-res-jb/blocks.8.hook_resid_pre`. A `-canonical` one of Gemma Scope stands for its folder
 * of several L0, one of which is to be chosen.
 *
 * @returns undefined where it is none that is known.
 */
export function parseRelease(name: string): ReleasedSae | undefined {
  const [release, ...parts] = name.split("/");
  const plain = release.replace(/-canonical$/, "");
  if (!Object.hasOwn(RELEASES, plain) || parts.some((part) => !/^\w[\w.-]*$/.test(part))) {
    return undefined;
  }
  const canonical = release !== plain;
  if (canonical && parts.at(-1) === "canonical") parts.pop();
  return {
    repository: RELEASES[plain],
    path: parts.join("/"),
    hint: `${release} is SAELens's name of ${RELEASES[plain]}: give it with a folder of that ` +
      `repository, such as ${RELEASES[plain]}/FOLDER` +
      (canonical ? "; SAELens's canonical ones are those with an average L0 nearest to 100" : ""),
  };
}

/** The known release that a name is nearly, or begins like. */
export function nearRelease(name: string): string | undefined {
  const own = letters(name.split("/")[0]);
  const all = Object.keys(RELEASES);
  return all.find((known) => letters(known) === own) ??
    (own.length > 4 ? all.find((known) => letters(known).startsWith(own)) : undefined);
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
