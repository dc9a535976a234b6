import { join } from "@std/path";
import {
  mergeStoreParts,
  type StoreDtype,
  writeStoreParts,
  type WriteStoresOptions,
} from "../lib/activations/mod.ts";
import { type Part, partPaths } from "../lib/files/part.ts";
import type { PartRecord } from "../lib/files/part_record.ts";
import { openOutputFolder } from "../lib/formats/output_folder.ts";
import type { LanguageModel } from "../mod.ts";
import type { Session } from "./command.ts";
import { openModel } from "./open.ts";
import type { Arguments } from "./options.ts";
import { type Merge, runPart } from "./part.ts";
import { checkEvalText, choosePrependBos, documentsOf, givenNormLimit } from "./source.ts";

/** Opens the model of a harvest, with all its hooks. */
export async function openHarvestModel(
  options: Arguments,
  session: Session,
): Promise<LanguageModel> {
  const [hook, ...moreHooks] = options.texts("hook");
  const dtype = options.text("model-dtype") ?? "fp32";
  return await openModel(options, session, { hook, moreHooks, dtype });
}

/**
 * How the stores of a harvest are written.
 *
 * @throws {Error} The text does not fill a row.
 */
export async function storeOptions(
  options: Arguments,
  session: Session,
  model: LanguageModel,
): Promise<WriteStoresOptions> {
  const contextSize = options.number("context") ?? Math.min(128, model.maxContext);
  const prependBos = choosePrependBos(options, session);
  const skipPositions = options.flag("include-bos") || !prependBos ? [] : [0];
  await checkEvalText(options, model, { contextLength: contextSize, prependBos }, "text");
  return {
    ...{ contextSize, prependBos, skipPositions },
    modelDtype: options.text("model-dtype") ?? "fp32",
    dtype: (options.text("dtype") ?? "float32") as StoreDtype,
    normLimit: givenNormLimit(options),
    maxTokens: options.number("tokens"),
    rowsPerShard: options.number("shard-rows"),
    dataset: options.texts("text").join(" "),
    seed: options.number("seed"),
    signal: session.signal,
  };
}

/** `saewing harvest --part`: writes a part of a store per hook. */
export async function harvestPart(part: Part, options: Arguments, session: Session): Promise<void> {
  await runPart(part, { command: "harvest", options }, session, async (work) => {
    await using model = await openHarvestModel(options, work.session);
    const how = await storeOptions(options, work.session, model);
    const within = model.hooks.length === 1 ? [""] : model.hooks.map(({ hook }) => hook);
    const documents = documentsOf(options, "text");
    const started = performance.now();
    const headers = await writeStoreParts(
      model,
      documents,
      within.map((name) => join(work.folder, name)),
      {
        ...{ ...how, part, beforeWrite: work.check },
        onProgress({ done, leftOut, savedRows, first }) {
          const rate = Math.round((done - first) / ((performance.now() - started) / 1000));
          work.session.output.progress({ phase: "harvest", done }, {
            details: `${done} activations  ${rate} tokens/s`,
            data: { rows: done, savedRows, leftOut },
          });
        },
      },
    );
    const names = headers.flatMap(({ shards }, i) =>
      ["store.json", ...shards.map(({ file }) => file)].map((file) => joinName(within[i], file))
    );
    return { names, result: { within } };
  });
}

/** Moves the parts of stores to where one harvest would have written them. */
export async function mergeHarvest({ out, parts, session }: Merge): Promise<void> {
  const { records } = parts;
  const within = hooksOf(out, records[0]);
  for (const name of within) {
    using folder = await openOutputFolder(join(out, name), {
      ...{ command: "harvest", options: records[0].options, overwrite: false, inputs: [] },
      ...{ merges: true, goOn: ({ command }) => command === "harvest" },
    });
    await folder.start(["store.json"]);
    const folders = records.map(({ part }) => join(partPaths(out, part).folder, name));
    const { rows } = await mergeStoreParts(folder.path, folders);
    await folder.finish();
    session.output.say(`${rows} activations in ${folder.path}`);
  }
}

/** Folders of the hooks' stores, each of which is in a part's files: so none leads out of the folder. */
function hooksOf(out: string, { part, result: { within }, files }: PartRecord): string[] {
  const names = new Set(files.map(({ name }) => name));
  const isStore = (name: unknown) =>
    typeof name === "string" && names.has(joinName(name, "store.json"));
  if (Array.isArray(within) && within.length > 0 && within.every(isStore)) return within;
  const { done } = partPaths(out, part);
  throw new Error(
    `${done}: result.within is ${JSON.stringify(within)}, expected folders of stores that files ` +
      `names: remove ${done} and run the part again`,
  );
}

/** Where a merge has put a file of a part. */
export function mergedHarvestFile(name: string): string | undefined {
  return /(^|\/)shard-\d+\.bin$/.test(name) ? name : undefined;
}

function joinName(folder: string, file: string): string {
  return folder === "" ? file : `${folder}/${file}`;
}
