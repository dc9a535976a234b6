import { pairTitle, type StudiedPair } from "../lib/report/studied_pair.ts";
import type { NamedGroups } from "../lib/report/stitching_report.ts";
import {
  collectTopExamples,
  type LatentExamples,
  type ReadableModel,
  type TopExampleOptions,
} from "../lib/interpretation/mod.ts";
import { describeGroup, groupsByKind, type LatentGroup } from "../lib/stitching/mod.ts";
import { type Device, readDocuments, type Sae } from "../mod.ts";
import { packTokenRows } from "../lib/language_model/mod.ts";
import { recordedNormLimit } from "../lib/activations/mod.ts";
import {
  type ActivationSource,
  checkSourceOptions,
  openActivationSource,
} from "./activation_source.ts";
import type { Arguments } from "./options.ts";
import type { Output } from "./output.ts";

/** Text in which the latents of an SAE are looked for. */
export interface LatentTexts extends AsyncDisposable {
  /** Where its activations come from. */
  source: ActivationSource;
  /** Where every latent is most active in it, by its number. */
  find(gpu: Device, output: Output, signal?: AbortSignal): Promise<Map<number, LatentExamples>>;
}

const EXAMPLES = 3;

/**
 * Opens `--examples` rows (default 64) of `--text` and the model that the options name; undefined where
 * no text is given.
 *
 * @throws {UsageError} Model or hook is not known.
 * @throws {Error} Text or model cannot be read, or the SAE has another width.
 */
export async function openLatentTexts(
  options: Arguments,
  sae: Sae,
  output: Output,
  signal?: AbortSignal,
): Promise<LatentTexts | undefined> {
  const files = options.texts("text");
  if (files.length === 0) return undefined;
  checkSourceOptions(options);
  const source = await openActivationSource(options, output, recordedNormLimit(sae), signal);
  try {
    if (source.dModel !== sae.dModel) {
      throw new Error(
        `the SAE's dModel is ${sae.dModel}, that of ${source.model} at ${source.hook} is ` +
          `${source.dModel}`,
      );
    }
    const model = await source.openModel();
    const { contextLength, skipPositions, normLimit } = source;
    const texts = readDocuments(files, { field: options.text("field") });
    const maxRows = options.number("examples") ?? 64;
    const tokenRows = await Array.fromAsync(
      packTokenRows(model, texts, { contextLength, maxRows }),
    );
    return {
      source,
      async find(gpu, output, signal) {
        const found = await collectTopExamples(gpu, model, sae, tokenRows, {
          latents: Array.from({ length: sae.dictSize }, (_, latent) => latent),
          examples: EXAMPLES,
          skipPositions,
          normLimit,
          signal,
          onProgress: (done) =>
            output.progress({ phase: "contexts of latents", done, total: 1 }, { details: "" }),
        });
        return new Map(found.map((latent) => [latent.latent, latent]));
      },
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

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
    output.progress({ phase: `names of latents, ${pairTitle(pair)}`, done: 0 });
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
