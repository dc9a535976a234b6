import {
  collectTopExamples,
  type Device,
  type LatentExamples,
  packTokenRows,
  readDocuments,
  recordedNormLimit,
  type Sae,
} from "../mod.ts";
import {
  type ActivationSource,
  checkSourceOptions,
  openActivationSource,
} from "./activation_source.ts";
import type { Arguments } from "./arguments.ts";
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
): Promise<LatentTexts | undefined> {
  const files = options.texts("text");
  if (files.length === 0) return undefined;
  checkSourceOptions(options);
  const source = await openActivationSource(options, recordedNormLimit(sae));
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
            output.progress(`contexts of latents, ${Math.round(100 * done)} % of the text`),
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
