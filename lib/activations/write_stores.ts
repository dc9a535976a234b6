import type { Texts } from "../language_model/text_pieces.ts";
import { type ActivationStore, openActivationStore } from "./activation_store.ts";
import { dropRows } from "./drop_rows.ts";
import { type HooksModel, orderedHooks } from "./ordered_hooks.ts";
import { readStoreFolder } from "./store_folder.ts";
import { createTextFingerprint, type TextFingerprint } from "./text_fingerprint.ts";
import {
  writeActivations,
  type WriteActivationsOptions,
  type WriteProgress,
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
  const { maxTokens, rowsPerRun, onStore, onProgress, ...how } = options;
  const { contextSize, prependBos, skipPositions, signal } = how;
  if (folders.length !== model.hooks.length) {
    throw new RangeError(
      `there are ${folders.length} folders, expected ${model.hooks.length}, one per hook`,
    );
  }
  const headers = await Promise.all(folders.map(readStoreFolder));
  const wanted = headers.map((header) => header?.complete !== true);
  const pending = folders.map((folder, i) => ({ folder, header: headers[i], i }))
    .filter(({ i }) => wanted[i])
    .map(({ folder, header, i }) => {
      const fingerprint = createTextFingerprint();
      if (header?.texts) fingerprint.expect(header.texts, `the ${header.rows} rows in ${folder}`);
      const taken = (header?.rows ?? 0) + (header?.leftOut ?? 0);
      const { hook } = model.hooks[i];
      return { folder, hook, fingerprint, taken, saved: header?.rows ?? 0 };
    });
  const first = Math.min(...pending.map(({ taken }) => taken));
  const savedRows = () => Math.min(...pending.map(({ saved }) => saved));
  if (pending.length > 0) {
    onProgress?.({ phase: "writing", done: first, first, savedRows: savedRows(), leftOut: 0 });
  }
  const streams = pending.length === 0 ? [] : orderedHooks(onlyHooks(model, wanted), texts, {
    ...{ contextLength: contextSize, prependBos, skipPositions },
    ...{ maxTokens, firstRow: first, rowsPerRun, signal },
    fingerprint: joinFingerprints(pending.map(({ fingerprint }) => fingerprint)),
  });
  const written = await Promise.allSettled(pending.map(async (store, i) => {
    const { folder, hook, fingerprint } = store;
    try {
      await writeActivations(streams[i], folder, {
        ...{ ...how, model: model.id, hook, fingerprint },
        startAt: (row) => dropRows(streams[i], row - first),
        onProgress(progress) {
          store.saved = progress.savedRows;
          if (i === 0) onProgress?.({ ...progress, first, savedRows: savedRows() });
        },
      });
    } catch (error) {
      // The other streams must not wait for this one.
      await streams[i].return(undefined);
      throw error;
    }
    await onStore?.(folder);
  }));
  const failed = written.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return await Promise.all(folders.map((folder) => openActivationStore(folder)));
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
  };
}
