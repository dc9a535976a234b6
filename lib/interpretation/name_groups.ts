import type { Progress } from "../progress.ts";
import type { Device } from "../device/device.ts";
import { contextsByLatent } from "./contexts_by_latent.ts";
import type { ReadableModel } from "./encode_rows.ts";
import type { TopExampleOptions } from "./top_examples.ts";
import type { Sae } from "../sae/sae.ts";
import { describeGroup, groupsByKind, type LatentGroup } from "../stitching/latent_groups.ts";
import { pairTitle, type StudiedPair } from "../stitching/study_chain.ts";

const GROUPS_PER_KIND = 6;
const LATENTS_PER_SIDE = 4;

/** Options of {@linkcode nameGroups}. */
export interface NameGroupsOptions
  extends Pick<TopExampleOptions, "skipPositions" | "normLimit" | "signal"> {
  /** Called before each pair, which `phase` names. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Examples of each pair's groups (A.5), each latent with the tokens at which it is most active.
 *
 * @param pairs Each SAE and the next.
 * @param saes The SAEs of the chain, one more than there are pairs.
 * @param tokenRows Rows of tokens in which latents are looked for.
 */
export async function nameGroups(
  device: Device,
  model: ReadableModel,
  pairs: readonly StudiedPair[],
  saes: readonly Sae[],
  tokenRows: Int32Array[],
  { onProgress, ...options }: NameGroupsOptions = {},
): Promise<NamedGroups[]> {
  const named: NamedGroups[] = [];
  for (const [i, pair] of pairs.entries()) {
    onProgress?.({ phase: pairTitle(pair), done: i, total: pairs.length });
    const kinds = groupsByKind(pair.study.groups.groups)
      .map(({ kind, groups }) => ({ kind, groups: groups.slice(0, GROUPS_PER_KIND) }));
    const shown = kinds.flatMap(({ groups }) => groups);
    const names = (side: keyof LatentGroup, sae: Sae) => {
      const latents = shown.flatMap((group) => [...group[side].subarray(0, LATENTS_PER_SIDE)]);
      return nameLatents(device, model, sae, latents, tokenRows, options);
    };
    const small = await names("small", saes[i]);
    const large = await names("large", saes[i + 1]);
    const how = {
      nameSmall: (latent: number) => small.get(latent)!,
      nameLarge: (latent: number) => large.get(latent)!,
      most: LATENTS_PER_SIDE,
    };
    named.push({
      pair: pairTitle(pair),
      lines: kinds.flatMap(({ kind, groups }) =>
        groups.map((group) => ({ kind, group: describeGroup(group, how) }))
      ),
    });
  }
  return named;
}

/** "12 “walk” “run”": a latent's number and its strongest tokens. */
async function nameLatents(
  device: Device,
  model: ReadableModel,
  sae: Sae,
  latents: number[],
  tokenRows: Int32Array[],
  options: TopExampleOptions,
): Promise<Map<number, string>> {
  if (latents.length === 0) return new Map();
  const found = await contextsByLatent(device, model, sae, tokenRows, { ...options, latents });
  return new Map(
    [...found].map(([latent, { examples }]) => {
      const tokens = examples.map(({ tokens, peak }) => `“${tokens[peak].trim()}”`);
      return [latent, [latent, ...new Set(tokens)].join(" ")];
    }),
  );
}

/** Examples of groups (A.5) with names of their latents. */
export interface NamedGroups {
  /** Which pair of SAEs, as its title. */
  pair: string;
  /** Groups, a line each. */
  lines: { kind: string; group: string }[];
}
