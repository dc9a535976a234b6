import { join } from "@std/path";
import { lockStore } from "../lib/activations/lock_store.ts";
import {
  createTextFingerprint,
  orderedHooks,
  type StoreDtype,
  type TextFingerprint,
} from "../lib/activations/mod.ts";
import { dropRows } from "../lib/activations/drop_rows.ts";
import { readStoreFolder } from "../lib/activations/store_folder.ts";
import type { StoreHeader } from "../lib/activations/store_header.ts";
import { type LanguageModel, openActivationStore, writeActivations } from "../mod.ts";
import type { Session } from "./command.ts";
import { inputPaths, openModel } from "./open.ts";
import type { Arguments, GivenOptions } from "./options.ts";
import { openOutputFolder, type OutputFolder } from "../lib/formats/output_folder.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";
import { checkEvalText, documentsOf, givenNormLimit } from "./source.ts";

/** A store that a harvest has written. */
export interface Harvested {
  folder: string;
  store: Awaited<ReturnType<typeof openActivationStore>>;
}

/** What {@linkcode harvestStores} has done. */
export interface Harvest {
  stores: Harvested[];
  /** Activations per hook that were there before. */
  first: number;
  /** Time of this run. */
  seconds: number;
}

/**
 * Writes a store per hook from one run of the model: in the folder itself for one hook, else in folders
 * of the hooks' names. Stores that are complete stay; the others continue after their finished shards,
 * from the first row that one of them lacks.
 */
export async function harvestStores(options: Arguments, session: Session): Promise<Harvest> {
  const { output, signal, leaves } = session;
  const [hook, ...moreHooks] = options.texts("hook");
  const folder = options.required("out");
  const dtype = (options.text("dtype") ?? "float32") as StoreDtype;
  const modelDtype = options.text("model-dtype") ?? "fp32";
  const tokens = options.number("tokens");
  const normLimit = givenNormLimit(options);
  const documents = documentsOf(options, "text");
  using stack = new DisposableStack();
  // What can be refused without the model is; names of folders are those that the model has for hooks.
  let places = moreHooks.length === 0 ? await openPlaces([folder], options, stack) : [];
  await using model = await openModel(options, session, { hook, moreHooks, dtype: modelDtype });
  if (places.length === 0) {
    const paths = model.hooks.map(({ hook }) => join(folder, hook));
    places = await openPlaces(paths, options, stack);
  }
  const contextSize = options.number("context") ?? Math.min(128, model.maxContext);
  const skipPositions = options.flag("include-bos") ? [] : [0];
  await checkEvalText(options, model, contextSize, "text");
  for (const { out, done } of places) {
    if (done) continue;
    // Library users who write stores hold this lock, not the command's.
    using _lock = await lockStore(out.path);
    await out.start(["store.json"]);
  }
  const names = model.hooks.map(({ hook, dModel }) => `${hook}, d = ${dModel}`);
  output.say(`${model.id} at ${names.join("; ")}, ${dtype}, to ${folder}`);

  const pending = places.map((place, i) => ({ ...place, hook: model.hooks[i] }))
    .filter(({ done }) => !done)
    .map((place) => ({ ...place, fingerprint: createTextFingerprint(), saved: place.taken }));
  const first = Math.min(...pending.map(({ taken }) => taken));
  for (const { header, fingerprint, out } of pending) {
    if (header?.texts) fingerprint.expect(header.texts, `the ${header.rows} rows in ${out.path}`);
  }
  const without = options.flag("overwrite") ? " without --overwrite" : "";
  const keep = () => {
    const rows = Math.min(...pending.map(({ saved }) => saved));
    leaves({
      text: `${folder} keeps ${rows} activations in finished shards, the same command${without} ` +
        `continues from there`,
      data: { folder, rows, first },
    });
  };
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  if (pending.length > 0) keep();
  const complete = places.length - pending.length;
  if (complete > 0) output.say(`${complete} of ${places.length} stores are complete already`);
  if (pending.length > 0 && first > 0) {
    output.say(`continuing after the first ${first} activations`);
  }
  const streams = pending.length === 0 ? [] : orderedHooks(
    onlyHooks(model, places.map(({ done }) => !done)),
    documents(),
    {
      ...{ contextLength: contextSize, skipPositions, maxTokens: tokens, firstRow: first, signal },
      fingerprint: joinFingerprints(pending.map(({ fingerprint }) => fingerprint)),
    },
  );
  const written = await Promise.allSettled(pending.map(async (place, i) => {
    const { out, hook, fingerprint } = place;
    try {
      await writeActivations(streams[i], out.path, {
        ...{ model: model.id, hook: hook.hook, contextSize, skipPositions, modelDtype },
        ...{ dtype, signal, normLimit, fingerprint, dataset: options.texts("text").join(" ") },
        ...{ seed: options.number("seed"), overwrite: !out.goesOn },
        startAt: (row) => dropRows(streams[i], row - first),
        onProgress({ done: rows, savedRows, leftOut }) {
          place.saved = savedRows;
          keep();
          if (i > 0) return;
          const rate = Math.round((rows - first) / seconds());
          const amount = `${rows}${tokens ? ` of ${tokens}` : ""} activations`;
          output.progress({ phase: "harvest", done: rows, total: tokens }, {
            details: `${amount}  ${rate} tokens/s`,
            data: { rows, savedRows, leftOut },
          });
        },
      });
    } catch (error) {
      // The other streams must not wait for this one.
      await streams[i].return(undefined);
      throw error;
    }
    await out.finish();
  }));
  const failed = written.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  const stores: Harvested[] = [];
  for (const { out, finished, done } of places) {
    if (done && !finished) await out.finish();
    stores.push({ folder: out.path, store: await openActivationStore(out.path) });
  }
  return { stores, first: pending.length === 0 ? 0 : first, seconds: seconds() };
}

/** Where a store goes, and what is there. */
interface Place {
  out: OutputFolder;
  /** What an unfinished store has. */
  header: StoreHeader | undefined;
  /** Rows of its finished shards, with those left out. */
  taken: number;
  /** Whether it is complete. */
  done: boolean;
  /** Whether its folder says so. */
  finished: boolean;
}

async function openPlaces(
  paths: string[],
  options: Arguments,
  stack: DisposableStack,
): Promise<Place[]> {
  const overwrite = options.flag("overwrite");
  const found = [];
  for (const path of paths) {
    // What is unreadable is refused, or replaced, where the folder is opened.
    const header = await readStoreFolder(path).catch(() => undefined);
    const run = await listFiles(path).then((files) => findRun(path, files)).catch(() => undefined);
    found.push({ header, finished: run?.finished !== undefined });
  }
  const isLeft = found.some(({ header, finished }) => !header?.complete || !finished);
  const places: Place[] = [];
  for (const [i, { header, finished }] of found.entries()) {
    const complete = header?.complete === true;
    const out = stack.use(
      await openOutputFolder(paths[i], {
        ...{ command: "harvest", options: options.given, overwrite, inputs: inputPaths(options) },
        goOn: ({ command, manifest }) =>
          command === "harvest" && isLeft && (complete || !finished) &&
          (!complete || sameHarvest(manifest?.options, options.given)),
      }),
    );
    const done = out.goesOn && complete;
    const own = out.goesOn ? header : undefined;
    const taken = own ? own.rows + (own.leftOut ?? 0) : 0;
    places.push({ out, header: own, taken, done, finished });
  }
  return places;
}

// A store that is complete belongs to this harvest if what decides on its rows is the same.
function sameHarvest(was: Record<string, unknown> | undefined, is: GivenOptions): boolean {
  const free = ["hook", "out", "overwrite", "quiet", "json", "cache-dir"];
  const text = (options: Record<string, unknown>) =>
    JSON.stringify(
      Object.entries(options).filter(([name]) => !free.includes(name)).sort(([a], [b]) =>
        a < b ? -1 : 1
      ),
    );
  return was !== undefined && text(was) === text(is);
}

/** The model as one of some of its hooks. */
function onlyHooks(model: LanguageModel, wanted: boolean[]): Parameters<typeof orderedHooks>[0] {
  const { id, maxContext, bosToken, tokenize } = model;
  return {
    ...{ id, maxContext, bosToken, tokenize },
    hooks: model.hooks.filter((_, i) => wanted[i]),
    activationsOf: async (tokens, rows) =>
      (await model.activationsOf(tokens, rows)).filter((_, i) => wanted[i]),
  };
}

/** A fingerprint that passes rows to each: every store keeps its own checksum. */
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
