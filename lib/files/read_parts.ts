import { join } from "@std/path";
import { allParts, countParts, partPaths, partText } from "./part.ts";
import { checkPartFiles, type PartFile, type PartRecord, readPartRecord } from "./part_record.ts";
import { PATIENCE_MS, patiently } from "./patiently.ts";

/** All parts of a run, checked. */
export interface WholeParts {
  /** Their records, in order. */
  records: PartRecord[];
  /** Where each file of each part is. */
  found: Map<string, string>[];
}

/**
 * Reads the records of all parts of a run, and checks that their files are whole and that they belong together.
 *
 * @param out The run's output folder.
 * @param options `elsewhere`: where a file of a part may be beside its folder; `patience`: milliseconds in which
 * files may appear late.
 * @throws {Error} There are no parts; some are missing, damaged, or of other options. All problems are named.
 */
export async function readParts(
  out: string,
  { elsewhere, patience = PATIENCE_MS, signal, onFile }: {
    elsewhere?: (file: PartFile, record: PartRecord) => string | undefined;
    patience?: number;
    signal?: AbortSignal;
    onFile?: (progress: { done: number; total: number }) => void;
  } = {},
): Promise<WholeParts> {
  const count = await countParts(out);
  if (count === undefined) {
    throw new Error(
      `${out} has no parts: expected what commands with --part i/n wrote in ${out}/parts`,
    );
  }
  const problems: string[] = [];
  const records: PartRecord[] = [];
  const found: Map<string, string>[] = [];
  for (const part of allParts(count)) {
    const read = () => {
      const record = readPartRecord(out, part);
      if (record) return record;
      throw new Error(`it is not finished: run it with --part ${partText(part)}`);
    };
    // One wait for all that are missing.
    const wait = problems.length > 0 ? 0 : patience;
    try {
      records.push(await patiently(read, wait, signal));
    } catch (error) {
      signal?.throwIfAborted();
      problems.push(`part ${partText(part)}: ${(error as Error).message}`);
    }
  }
  problems.push(...differences(records));
  const files = records.reduce((sum, record) => sum + record.files.length, 0);
  let done = 0;
  for (const record of records) {
    const { folder, done: whole } = partPaths(out, record.part);
    // Left there, what is damaged would be taken for finished work.
    const again = `remove ${whole} and the folder ${folder}, and run the part again`;
    const places = (file: PartFile) =>
      [join(folder, file.name), elsewhere?.(file, record)].filter((path) => path !== undefined);
    const checked = await checkPartFiles(record, places, {
      ...{ patience: problems.length > 0 ? 0 : patience, signal },
    });
    onFile?.({ done: done += record.files.length, total: files });
    found.push(checked.found);
    for (const { path, problem } of checked.problems) {
      problems.push(`part ${partText(record.part)}: ${path} ${problem}: ${again}`);
    }
  }
  if (problems.length === 0) return { records, found };
  throw new Error(`${out} cannot be merged:\n${problems.map((each) => `  ${each}`).join("\n")}`);
}

/**
 * Removes files of parts of which a merge has put a whole one elsewhere: what stands in the part's folder then is
 * damaged, and merging would put it in the place of the whole one.
 */
export async function removeDamagedCopies(
  out: string,
  { records, found }: WholeParts,
): Promise<void> {
  for (const [i, { part }] of records.entries()) {
    for (const [name, path] of found[i]) {
      const own = join(partPaths(out, part).folder, name);
      if (path === own) continue;
      await Deno.remove(own).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }
}

/** Which parts are of another run than most are: another command, version or option. */
function differences(records: readonly PartRecord[]): string[] {
  const groups = new Map<string, PartRecord[]>();
  for (const record of records) {
    const key = JSON.stringify(factsOf(record));
    groups.set(key, [...groups.get(key) ?? [], record]);
  }
  const [most, ...others] = groups.values().toArray().sort((a, b) => b.length - a.length);
  return others.flat().map((record) =>
    `part ${partText(record.part)} is ${
      partDifference(record, most[0])!.join(`, part ${partText(most[0].part)} `)
    }: all parts need the same options`
  );
}

/** What decides the bits of a part. */
export type PartFacts = Pick<PartRecord, "createdBy" | "command" | "options">;

/** How two parts differ, in words for each: "with --seed 1" and "with --seed 2"; undefined where they do not. */
export function partDifference(a: PartFacts, b: PartFacts): [a: string, b: string] | undefined {
  const [own, others] = [factsOf(a), factsOf(b)];
  const only = (these: string[], those: string[]) => these.filter((each) => !those.includes(each));
  const [first, second] = [only(own, others), only(others, own)];
  if (first.length + second.length === 0) return undefined;
  return [first, second].map((each) => each.join(", ") || "without that") as [string, string];
}

function factsOf({ createdBy, command, options }: PartFacts): string[] {
  return [
    `written by ${createdBy}`,
    `of \`saewing ${command}\``,
    ...Object.entries(options)
      .map(([name, value]) => `with --${name}${value === true ? "" : ` ${value.join(" ")}`}`)
      .sort(),
  ];
}
