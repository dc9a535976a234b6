import { readRepeatedly } from "../batches.ts";
import type { Part } from "../files/part.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import type { Matrix } from "../matrix.ts";
import { DEFAULT_NORM_LIMIT, type NormLimitChoice } from "../sae/norm_limit.ts";
import { measureNormLimit } from "../sae/separate_massive.ts";
import { type ActivationStore, openActivationStore } from "./activation_store.ts";
import { dropRows } from "./drop_rows.ts";
import { type HooksModel, orderedHooks } from "./ordered_hooks.ts";
import { readStoreFolder } from "./store_folder.ts";
import type { StoreHeader } from "./store_header.ts";
import { storeShape } from "./store_shape.ts";
import { createTextFingerprint, type TextFingerprint } from "./text_fingerprint.ts";
import {
  writeActivations,
  type WriteActivationsOptions,
  type WriteProgress,
  writeStore,
} from "./write_activations.ts";

/** Progress of {@linkcode writeStores}: that of the first incomplete store. */
export interface WriteStoresProgress extends WriteProgress {
  /** Activations per hook that the stores had before. */
  first: number;
}

/** Options of {@linkcode writeStores}. */
export interface WriteStoresOptions extends
  Omit<
    WriteActivationsOptions,
    "model" | "hook" | "fingerprint" | "overwrite" | "startAt" | "onProgress"
  > {
  /** Largest number of activations per hook, massive ones included; unlimited if not given. */
  maxTokens?: number;
  /** Token rows per model call; if not given, those of 2,048 tokens. */
  rowsPerRun?: number;
  /** Called with a store's folder when it is complete. */
  onStore?: (folder: string) => void | Promise<void>;
  /** Called before the first and after each batch; `savedRows` is the minimum over the stores. */
  onProgress?: (progress: WriteStoresProgress) => void;
}

/**
 * Writes a store per hook from one run of the model, each with the same bytes as `writeActivations` alone.
 * Complete stores are not changed; the others are continued, from the first row that one of them lacks.
 *
 * @param model The model, opened with `moreHooks`.
 * @param texts Documents; the same in the same order where stores are continued.
 * @param folders A folder per hook, in the order of `model.hooks`.
 * @returns The stores, opened.
 * @throws {RangeError} There is not one folder per hook.
 * @throws {Error} As `writeActivations` does, for one of the stores; finished shards of all stores stay.
 *
 * @example
 * ```ts ignore
 * const model = await openLanguageModel("gpt2", { hook: "blocks.4.hook_resid_pre", moreHooks });
 * const folders = model.hooks.map(({ hook }) => `activations/${hook}`);
 * await writeStores(model, readTexts("corpus/*.txt"), folders, {
 *   ...{ contextSize: 128, skipPositions: [0] },
 * });
 * ```
 */
export async function writeStores(
  model: HooksModel,
  texts: Texts,
  folders: readonly string[],
  options: WriteStoresOptions,
): Promise<ActivationStore[]> {
  await writeEach(model, texts, folders, options);
  return await Promise.all(folders.map((folder) => openActivationStore(folder)));
}

/** Options of {@linkcode writeStoreParts}. */
export interface WriteStorePartsOptions extends WriteStoresOptions {
  /** Which part. */
  part: Part;
  /** Called before a file is put in place; what it throws ends the writing. */
  beforeWrite?: () => Promise<void>;
}

/**
 * Parts take turns of so many activations, or of fewer where the text has few: a model call that two turns share
 * is made twice, and 131,072 activations are some 65 calls.
 */
const TURN = 2 ** 17;

/**
 * Writes a part of the stores that {@linkcode writeStores} would write: whole shards, in turns. All parts together
 * have the same shards, byte for byte. Each part reads and tokenizes all texts, and runs the model on its own
 * activations and on the first 4,096, which tell what is massive.
 *
 * @param texts Documents: a list or a function, since their beginning is read twice.
 * @param folders A folder per hook, of this part.
 * @returns The headers of the parts, in the order of `model.hooks`.
 * @throws {RangeError} Hooks differ in width, so that their shards are not of the same activations.
 * @throws {Error} As `writeStores` does; finished shards stay.
 */
export async function writeStoreParts(
  model: HooksModel,
  texts: Texts,
  folders: readonly string[],
  options: WriteStorePartsOptions,
): Promise<StoreHeader[]> {
  const { part, maxTokens = Infinity } = options;
  const shards = model.hooks.map(({ dModel }) => storeShape(dModel, options).rowsPerShard);
  const other = shards.findIndex((rows) => rows !== shards[0]);
  if (other >= 0) {
    const [a, b] = [model.hooks[0], model.hooks[other]];
    throw new RangeError(
      `${a.hook} has width ${a.dModel} and ${b.hook} ${b.dModel}: parts of their stores would not be of the ` +
        `same activations. Harvest hooks of one width together`,
    );
  }
  const turn = Math.ceil(Math.min(TURN, maxTokens / part.count) / shards[0]);
  return await writeEach(model, texts, folders, options, {
    ...{ index: part.index, count: part.count, turn },
    rows: turn * shards[0],
  });
}

/** Writes a store per hook, or a share of each. */
async function writeEach(
  model: HooksModel,
  texts: Texts,
  folders: readonly string[],
  options: WriteStoresOptions & { beforeWrite?: () => Promise<void> },
  share?: Part & { turn: number; rows: number },
): Promise<StoreHeader[]> {
  const { maxTokens, rowsPerRun, onStore, onProgress, ...how } = options;
  const { contextSize, prependBos, skipPositions, signal } = how;
  if (folders.length !== model.hooks.length) {
    throw new RangeError(
      `there are ${folders.length} folders, expected ${model.hooks.length}, one per hook`,
    );
  }
  const headers = await Promise.all(folders.map((folder) => readStoreFolder(folder)));
  const wanted = headers.map((header) => header?.complete !== true);
  const pending = folders.map((folder, i) => ({ folder, header: headers[i], i }))
    .filter(({ i }) => wanted[i])
    .map(({ folder, header, i }) => {
      const fingerprint = createTextFingerprint();
      if (header?.texts) fingerprint.expect(header.texts, `the ${header.rows} rows in ${folder}`);
      const taken = (header?.rows ?? 0) + (header?.leftOut ?? 0);
      const { hook, dModel } = model.hooks[i];
      return { folder, hook, dModel, i, header, fingerprint, taken, saved: header?.rows ?? 0 };
    });
  if (pending.length === 0) return headers as StoreHeader[];
  const first = Math.min(...pending.map(({ taken }) => taken));
  const savedRows = () => Math.min(...pending.map(({ saved }) => saved));
  onProgress?.({ phase: "writing", done: first, first, savedRows: savedRows(), leftOut: 0 });
  const chosen = onlyHooks(model, wanted);
  const reading = {
    ...{ contextLength: contextSize, prependBos, skipPositions, maxTokens, rowsPerRun, signal },
  };
  // The beginning of the text says what is massive, also to parts that do not have it.
  const isMeasured = !share || pending.every(({ header }) => header);
  const read = readRepeatedly(texts, isMeasured ? 1 : 2, "a part of a harvest", "texts");
  const limits = isMeasured
    ? pending.map(() => how.normLimit)
    : await measureLimits(orderedHooks(chosen, read(), reading), how.normLimit, signal);
  const streams = orderedHooks(chosen, read(), {
    ...{ ...reading, firstRow: first, share },
    fingerprint: joinFingerprints(pending.map(({ fingerprint }) => fingerprint)),
  });
  // All at once: on a slow disk one store can be opened long after another.
  const begun = streams.map(beginStream);
  const written = await Promise.allSettled(pending.map(async (store, at) => {
    const { folder, hook, dModel, fingerprint } = store;
    const own = {
      ...{ ...how, model: model.id, hook, fingerprint, normLimit: limits[at] },
      startAt: (row: number) => dropRows(begun[at], row - first),
      onProgress(progress: WriteProgress) {
        store.saved = progress.savedRows;
        if (at === 0) onProgress?.({ ...progress, first, savedRows: savedRows() });
      },
    };
    try {
      if (share) {
        headers[store.i] = await writeStore(begun[at], folder, {
          ...own,
          part: { ...share, dModel },
        });
      } else await writeActivations(begun[at], folder, own);
    } catch (error) {
      // The other streams must not wait for this one.
      await streams[at].return(undefined);
      throw error;
    }
    await onStore?.(folder);
  }));
  const failed = written.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return headers as StoreHeader[];
}

/** What is massive in each of several streams, which are read at once. */
async function measureLimits(
  streams: AsyncGenerator<Matrix>[],
  choice: NormLimitChoice = DEFAULT_NORM_LIMIT,
  signal?: AbortSignal,
): Promise<NormLimitChoice[]> {
  if (choice === "none" || choice.medianNorm !== undefined) return streams.map(() => choice);
  const { multiple } = choice;
  return await Promise.all(streams.map((each) => measureNormLimit(each, { multiple, signal })));
}

/** A stream whose first matrix is asked for now. */
function beginStream(stream: AsyncGenerator<Matrix>): AsyncGenerator<Matrix> {
  const first = stream.next();
  // It may fail before it is awaited.
  first.catch(() => {});
  return (async function* () {
    try {
      for (let next = await first; !next.done; next = await stream.next()) yield next.value;
    } finally {
      await stream.return(undefined);
    }
  })();
}

/** The model with a subset of its hooks. */
function onlyHooks(model: HooksModel, wanted: boolean[]): HooksModel {
  const { id, maxContext, bosToken, tokenize } = model;
  return {
    ...{ id, maxContext, bosToken, tokenize },
    hooks: model.hooks.filter((_, i) => wanted[i]),
    activationsOf: async (tokens, rows) =>
      (await model.activationsOf(tokens, rows)).filter((_, i) => wanted[i]),
  };
}

/** A fingerprint that passes rows to several; every store has its own checksum. */
function joinFingerprints(all: TextFingerprint[]): TextFingerprint {
  return {
    expect: () => {},
    follow: (rows, most) =>
      all.reduce((followed, one) => one.follow(followed, most), rows) as ReturnType<
        TextFingerprint["follow"]
      >,
    checksum: (tokenRows) => all[0].checksum(tokenRows),
    last: () => all[0].last(),
  };
}
