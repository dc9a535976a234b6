import {
  type ActivationSource,
  storeSource,
  textSource,
} from "../lib/activations/activation_source.ts";
import { findNamedModel } from "../lib/formats/find_named_model.ts";
import { packTokenRows } from "../lib/language_model/mod.ts";
import type { TextDocument } from "../lib/language_model/text_pieces.ts";
import { type NormLimitChoice, recordedNormLimit } from "../lib/sae/norm_limit.ts";
import {
  type LanguageModel,
  type NormLimit,
  openActivationStore,
  readDocuments,
  type Sae,
} from "../mod.ts";
import type { Session } from "./command.ts";
import { openModel } from "./open.ts";
import { UsageError } from "./io.ts";
import type { Arguments } from "./options.ts";

/** Options that a store already determines. */
const MODEL_OPTIONS = ["model", "hook", "text", "context", "buffer", "prepend-bos"];

/** Checks that options name a store, or else a model, a hook and text, and that the norm limit is valid. */
export function checkSourceOptions(options: Arguments): void {
  givenNormLimit(options);
  const store = options.text("activations");
  if (store === undefined) {
    for (const name of ["model", "hook", "text"]) {
      if (options.texts(name).length === 0) throw new UsageError(`--${name} is missing`);
    }
    return;
  }
  const given = MODEL_OPTIONS.find((name) => options.texts(name).length > 0) ??
    (options.flag("include-bos") ? "include-bos" : undefined);
  if (given) {
    throw new UsageError(`--${given} cannot be used with --activations: the store determines it`);
  }
}

/** What a command asks of its source of activations. */
interface AskedOfSource {
  /** SAEs are trained while the model runs, which leaves them a core then. */
  besideTrainer?: boolean;
  /** The SAE that the activations are for: its config says whether rows begin with BOS. */
  sae?: Sae;
  /** Activations of text that are held for shuffling, where `--buffer` is not given. */
  bufferRows?: number;
}

/**
 * Opens the source of activations: a store, or a model and text.
 *
 * @param recorded The norm limit of an SAE or of a resumed run. Where neither it nor
 * `--max-norm-multiple` nor the store says it, a median norm is measured.
 */
export async function openActivationSource(
  options: Arguments,
  session: Session,
  recorded?: NormLimit | "none",
  asked: AskedOfSource = {},
): Promise<ActivationSource> {
  const folder = options.text("activations");
  if (folder === undefined) {
    return await openTextSource(options, session, recorded, asked);
  }
  const store = await openStore(folder, options, recorded);
  return storeSource(store, () =>
    openModel(options, session, {
      model: findNamedModel(store.model, store.folder),
      hook: store.hook,
      dtype: options.text("dtype") ?? store.modelDtype,
    }));
}

/** A store that was written without massive activations has its own norm limit. */
async function openStore(
  folder: string,
  options: Arguments,
  recorded: NormLimit | "none" | undefined,
): ReturnType<typeof openActivationStore> {
  const given = givenNormLimit(options);
  const store = await openActivationStore(folder);
  if (store.normLimit !== "none" && given === undefined) return store;
  const normLimit = store.normLimit === "none" ? resolveNormLimit(given, recorded) : given;
  return await openActivationStore(folder, { normLimit });
}

/**
 * Opens a model and text.
 *
 * @param asked Also defaults for model, hook and context.
 */
export async function openTextSource(
  options: Arguments,
  session: Session,
  recorded: NormLimit | "none" | undefined,
  asked: AskedOfSource & { model?: string; hook?: string; context?: number } = {},
): Promise<ActivationSource> {
  const { output, signal } = session;
  const model = await openModel(options, session, asked);
  try {
    const trained = asked.context ?? 128;
    const prependBos = choosePrependBos(options, session, asked.sae);
    return await textSource(model, documentsOf(options, "text"), {
      contextLength: options.number("context") ?? Math.min(trained, model.maxContext),
      ...{ prependBos, skipPositions: options.flag("include-bos") ? [] : undefined },
      bufferRows: options.number("buffer") ?? asked.bufferRows,
      normLimit: resolveNormLimit(givenNormLimit(options), recorded),
      dataset: options.texts("text").join(" "),
      onProgress: output.progress,
      signal,
    });
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether rows begin with BOS: by `--prepend-bos`, else by the SAE's config, else they do. Says so where not. */
export function choosePrependBos(
  options: Arguments,
  { output }: Session,
  sae?: Sae,
): boolean {
  const given = options.text("prepend-bos");
  const recorded = sae?.metadata.prependBos;
  const prependBos = given === undefined ? recorded !== false : given === "yes";
  if (recorded === false) {
    output.warn(
      prependBos
        ? "rows begin with BOS (--prepend-bos yes), the SAE's config says prepend_bos: false"
        : "rows begin without BOS, as the SAE's config says (prepend_bos: false); " +
          "--prepend-bos yes puts it in front",
      { prependBos },
    );
  }
  return prependBos;
}

/** Says where a command puts BOS in front of texts although an SAE was trained on rows without it. */
export function sayBosInFront({ output }: Session, saes: readonly Sae[]): void {
  if (saes.every(({ metadata }) => metadata.prependBos !== false)) return;
  output.warn("texts begin with BOS here, although the SAE's config says prepend_bos: false", {
    prependBos: true,
  });
}

/** Reads the documents that `--text` or another option names, each time from their beginning. */
export function documentsOf(options: Arguments, name: string): () => AsyncIterable<TextDocument> {
  return () => readDocuments(options.texts(name), { field: options.text("field") });
}

/** Rows of tokens from the start of `--text`, and the model that they are for. */
export async function readTokenRows(
  source: ActivationSource,
  options: Arguments,
  maxRows: number,
): Promise<{ model: LanguageModel; tokenRows: Int32Array[] }> {
  const model = await source.openModel();
  const { contextLength, prependBos } = source;
  const texts = documentsOf(options, "text");
  const rows = packTokenRows(model, texts(), { contextLength, prependBos, maxRows });
  return { model, tokenRows: await Array.fromAsync(rows) };
}

/** Text whose contexts name the latents of an SAE. */
export interface NamingText extends AsyncDisposable {
  /** Where its activations come from. */
  source: ActivationSource;
  /** The language model. */
  model: LanguageModel;
  /** The text, as rows of tokens. */
  tokenRows: Int32Array[];
}

/**
 * Opens `--examples` rows (default `mostRows`) of `--text` and the model that the options name; undefined where
 * no text is given.
 *
 * @throws {UsageError} Model or hook is not known.
 * @throws {Error} Text or model cannot be read, or the SAE has another width.
 */
export async function openNamingText(
  options: Arguments,
  sae: Sae,
  session: Session,
  mostRows = 64,
): Promise<NamingText | undefined> {
  if (options.texts("text").length === 0) return undefined;
  checkSourceOptions(options);
  const source = await openActivationSource(options, session, recordedNormLimit(sae), { sae });
  try {
    if (source.dModel !== sae.dModel) {
      throw new Error(
        `the SAE's dModel is ${sae.dModel}, that of ${source.model} at ${source.hook} is ` +
          `${source.dModel}`,
      );
    }
    const rows = await readTokenRows(source, options, options.number("examples") ?? mostRows);
    return { source, ...rows, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The norm limit of `--max-norm-multiple`; undefined where it is not given.
 *
 * @throws {UsageError} It is neither a number of at least 1 nor "none".
 */
export function givenNormLimit(
  options: Arguments,
): { multiple: number; medianNorm?: undefined } | "none" | undefined {
  const text = options.text("max-norm-multiple");
  if (text === undefined || text === "none") return text;
  const multiple = Number(text);
  if (!(Number.isFinite(multiple) && multiple >= 1)) {
    throw new UsageError(`--max-norm-multiple is ${text}, expected a number from 1 on, or none`);
  }
  return { multiple };
}

/** The norm limit: as given, with the recorded median; else as recorded; else 10. */
export function resolveNormLimit(
  given: ReturnType<typeof givenNormLimit>,
  recorded: NormLimit | "none" | undefined,
): NormLimitChoice {
  if (given === undefined) return recorded ?? { multiple: 10 };
  if (given === "none" || recorded === undefined || recorded === "none") return given;
  return { ...recorded, multiple: given.multiple };
}

/**
 * Checks that a resumed run keeps its norm limit.
 *
 * @param where The run, and how to start over.
 * @throws {UsageError} `--max-norm-multiple` differs.
 */
export function checkSameLimit(
  options: Arguments,
  recorded: NormLimit | "none",
  where: string,
): void {
  const given = givenNormLimit(options);
  const multiple = (limit: { multiple: number } | "none") =>
    limit === "none" ? "none" : String(limit.multiple);
  if (given === undefined || multiple(given) === multiple(recorded)) return;
  throw new UsageError(
    `--max-norm-multiple is ${multiple(given)}, it was ${multiple(recorded)} in ${where}`,
  );
}

/**
 * Reads as much of `--eval-text`, or another option's text, as fills one row, before any work is done for it.
 *
 * @throws {Error} A file is missing or cannot be read, its documents have no such field, or they do not fill a
 * row.
 */
export async function checkEvalText(
  options: Arguments,
  model: LanguageModel,
  { contextLength, prependBos }: Pick<ActivationSource, "contextLength" | "prependBos">,
  name = "eval-text",
): Promise<void> {
  const texts = documentsOf(options, name);
  try {
    const rows = packTokenRows(model, texts(), { contextLength, prependBos, maxRows: 1 });
    for await (const _ of rows) break;
  } catch (error) {
    throw new Error(`--${name}: ${(error as Error).message}`, { cause: error });
  }
}
