import { join } from "@std/path";
import { lockStore } from "../lib/activations/lock_store.ts";
import { writeStores } from "../lib/activations/mod.ts";
import { readStoreFolder } from "../lib/activations/store_folder.ts";
import { openOutputFolder, type OutputFolder, refuseParts } from "../lib/formats/output_folder.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";
import { formatSeconds } from "../lib/format_number.ts";
import type { ActivationStore } from "../mod.ts";
import type { Command, Session } from "./command.ts";
import { describeLeftOut } from "./describe.ts";
import { harvestPart, openHarvestModel, storeOptions } from "./harvest_part.ts";
import { inputPaths } from "./open.ts";
import {
  type Arguments,
  checkOptions,
  type GivenOptions,
  helpOf,
  type Options,
  shared,
} from "./options.ts";
import { givenPart, PART_OPTION } from "./part.ts";
import { documentsOf, givenNormLimit } from "./source.ts";

const OPTIONS: Options = [
  ["What it reads", [
    shared("model", undefined, { required: true }),
    shared(
      "hook",
      "where in the model; may be repeated: one store per hook, in OUT/HOOK, from one run",
      {
        required: true,
      },
    ),
    shared("text", undefined, { required: true }),
    shared("field"),
    {
      name: "tokens",
      value: "N",
      help: "activations after which to stop (default: where the text ends)",
      least: 1,
    },
    shared("context"),
    shared("include-bos"),
    shared(
      "prepend-bos",
      "whether rows of tokens begin with BOS (default yes); no for SAEs whose config says prepend_bos: false",
    ),
    shared(
      "max-norm-multiple",
      "excludes activations above N times the median norm (default 10, none: no limit), measured on the first 4096 activations",
    ),
    {
      name: "model-dtype",
      value: "NAME",
      help: "weights of the model: fp32 (default), fp16, q8, q4 …",
    },
    shared("model-device"),
    shared("revision"),
    shared("cache-dir"),
  ]],
  ["What it writes", [
    shared("out", "store.json and shards of 64 MiB", { required: true }),
    {
      name: "shard-rows",
      value: "N",
      help: "activations of a shard, in whole blocks of 512 KiB (default: as many as fit 64 MiB)",
      least: 1,
    },
    PART_OPTION,
    shared(
      "dtype",
      "float32 (default), float16: half the bytes, rounded to 11 bits, up to 65504; or bfloat16: half the bytes, rounded to 8 bits",
      { choices: ["float32", "float16", "bfloat16"] },
    ),
    shared("seed", "seed of the order within shards (default 0)"),
    shared(
      "overwrite",
      "replaces a store, or another run, that the folder holds; files of others stay",
    ),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Writes a language model's activations to a folder, for \`train --activations\`.

Usage
  saewing harvest --model MODEL --hook HOOK --text FILES --out FOLDER [options]`,
  OPTIONS,
  `Ctrl-C, or any other end, keeps finished shards: the same command continues from there, and the
folder ends with the same bytes.

Examples
  saewing harvest --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre \\
    --text 'corpus/*.txt' --out activations/tiny --tokens 1e6
  saewing harvest --model Xenova/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --out activations/gpt2-8 --dtype float16
  saewing train --activations activations/gpt2-8 --dict-size 24576 --k 32 --epochs 2`,
);

/** `saewing harvest`. */
export const harvest: Command = {
  summary: "write a language model's activations to disk",
  help: HELP,
  options: OPTIONS,
  async run(options, session) {
    const { output } = session;
    checkOptions(options, OPTIONS);
    const part = givenPart(options);
    if (part) return await harvestPart(part, options, session);
    const { stores, first, seconds } = await harvestStores(options, session);
    const dtype = options.text("dtype") ?? "float32";
    for (const store of stores) {
      const read = store.rows + store.leftOut;
      const rate = Math.round((read - first) / seconds);
      output.say(
        `${store.rows} activations in ${store.folder}, ${
          formatSeconds(seconds)
        } (${rate} tokens/s)`,
      );
      const left = describeLeftOut(store.normLimit, { rows: read, leftOut: store.leftOut });
      if (left) output.say(left);
    }
    const results = stores.map(({ folder, hook, rows, dModel, normLimit, leftOut }) => {
      return { folder, hook, rows, dModel, normLimit, leftOut };
    });
    output.result(
      results.length === 1
        ? { ...results[0], dtype, first }
        : { folder: options.required("out"), dtype, first, stores: results },
    );
  },
};

/** What {@linkcode harvestStores} has done. */
interface Harvest {
  stores: ActivationStore[];
  /** Activations per hook that were there before. */
  first: number;
  /** Time of this run. */
  seconds: number;
}

/** Writes a store per hook: in the folder itself for one hook, else in folders of the hooks' names. */
async function harvestStores(options: Arguments, session: Session): Promise<Harvest> {
  const { output, leaves } = session;
  const moreHooks = options.texts("hook").slice(1);
  const folder = options.required("out");
  await refuseParts(folder);
  const tokens = options.number("tokens");
  givenNormLimit(options);
  using stack = new DisposableStack();
  // What can be refused without the model is; names of folders are those that the model has for hooks.
  let places = moreHooks.length === 0 ? await openPlaces([folder], options, stack) : [];
  await using model = await openHarvestModel(options, session);
  if (places.length === 0) {
    const paths = model.hooks.map(({ hook }) => join(folder, hook));
    places = await openPlaces(paths, options, stack);
  }
  const how = await storeOptions(options, session, model);
  for (const { out, done } of places) {
    if (done) continue;
    // Library users who write stores hold this lock, not the command's.
    using _lock = await lockStore(out.path);
    await out.start(["store.json"]);
  }
  const names = model.hooks.map(({ hook, dModel }) => `${hook}, d = ${dModel}`);
  output.say(`${model.id} at ${names.join("; ")}, ${how.dtype}, to ${folder}`);
  const complete = places.filter(({ done }) => done).length;
  if (complete > 0) output.say(`${complete} of ${places.length} stores are complete already`);

  const without = options.flag("overwrite") ? " without --overwrite" : "";
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let first: number | undefined;
  const stores = await writeStores(
    model,
    documentsOf(options, "text")(),
    places.map(({ out }) => out.path),
    {
      ...how,
      async onStore(path) {
        await places.find(({ out }) => out.path === path)!.out.finish();
      },
      onProgress({ done: rows, savedRows, leftOut, first: had }) {
        leaves({
          text:
            `${folder} keeps ${savedRows} activations in finished shards, the same command${without} ` +
            `continues from there`,
          data: { folder, rows: savedRows, first: had },
        });
        if (first === undefined) {
          first = had;
          if (first > 0) output.say(`continuing after the first ${first} activations`);
          return;
        }
        const rate = Math.round((rows - first) / seconds());
        const amount = `${rows}${tokens ? ` of ${tokens}` : ""} activations`;
        output.progress({ phase: "harvest", done: rows, total: tokens }, {
          details: `${amount}  ${rate} tokens/s`,
          data: { rows, savedRows, leftOut },
        });
      },
    },
  );
  for (const { out, finished, done } of places) if (done && !finished) await out.finish();
  return { stores, first: first ?? 0, seconds: seconds() };
}

/** Where a store goes, and what is there. */
interface Place {
  out: OutputFolder;
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
    places.push({ out, done: out.goesOn && complete, finished });
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
