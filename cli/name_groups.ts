import {
  collectTopExamples,
  describeGroup,
  type Device,
  groupsByKind,
  type LatentGroup,
  packTokenRows,
  type ReadableModel,
  readDocuments,
  type Sae,
  type TopExampleOptions,
} from "../mod.ts";
import { pairTitle, type StudiedPair } from "../lib/report/stitching_plots.ts";
import type { NamedGroups } from "../lib/report/stitching_report.ts";
import type { ActivationSource } from "./activation_source.ts";
import type { Arguments } from "./arguments.ts";
import type { Output } from "./output.ts";

const GROUPS_A_KIND = 6;
const LATENTS_A_SIDE = 4;

/**
 * Examples of each pair's groups (A.5), each latent with the tokens at which it is most active in
 * `--examples` rows of `--text`. None where there is no text.
 */
export async function nameGroups(
  gpu: Device,
  source: ActivationSource,
  options: Arguments,
  pairs: readonly StudiedPair[],
  saes: readonly Sae[],
  output: Output,
  signal?: AbortSignal,
): Promise<NamedGroups[]> {
  const rows = options.number("examples") ?? 16;
  const files = options.texts("text");
  if (rows === 0 || files.length === 0) return [];
  const model = await source.openModel();
  const { contextLength, skipPositions, normLimit } = source;
  const texts = readDocuments(files, { field: options.text("field") });
  const tokenRows = await Array.fromAsync(
    packTokenRows(model, texts, { contextLength, maxRows: rows }),
  );
  const named: NamedGroups[] = [];
  for (const [i, pair] of pairs.entries()) {
    output.progress(`names of latents, ${pairTitle(pair)}`);
    const kinds = groupsByKind(pair.study.groups.groups)
      .map(({ kind, groups }) => ({ kind, groups: groups.slice(0, GROUPS_A_KIND) }));
    const shown = kinds.flatMap(({ groups }) => groups);
    const names = (side: keyof LatentGroup, sae: Sae) => {
      const latents = shown.flatMap((group) => [...group[side].subarray(0, LATENTS_A_SIDE)]);
      const how = { skipPositions, normLimit, signal };
      return nameLatents(gpu, model, sae, latents, tokenRows, how);
    };
    const small = await names("small", saes[i]);
    const large = await names("large", saes[i + 1]);
    const how = {
      nameSmall: (latent: number) => small.get(latent)!,
      nameLarge: (latent: number) => large.get(latent)!,
      most: LATENTS_A_SIDE,
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
  gpu: Device,
  model: ReadableModel,
  sae: Sae,
  latents: number[],
  tokenRows: Int32Array[],
  how: Pick<TopExampleOptions, "skipPositions" | "normLimit" | "signal">,
): Promise<Map<number, string>> {
  if (latents.length === 0) return new Map();
  const found = await collectTopExamples(gpu, model, sae, tokenRows, {
    latents,
    examples: 3,
    ...how,
  });
  return new Map(found.map(({ latent, examples }) => {
    const tokens = examples.map(({ tokens, peak }) => `“${tokens[peak].trim()}”`);
    return [latent, [latent, ...new Set(tokens)].join(" ")];
  }));
}
