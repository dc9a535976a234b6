import { claimPart, describeClaim } from "../lib/files/claim_part.ts";
import {
  allParts,
  countParts,
  parsePart,
  type Part,
  partPaths,
  PARTS_FOLDER,
  partText,
} from "../lib/files/part.ts";
import { readPartRecord, writePartRecord } from "../lib/files/part_record.ts";
import { partDifference, type PartFacts, type WholeParts } from "../lib/files/read_parts.ts";
import { findRun, listFiles } from "../lib/formats/run_files.ts";
import { VERSION } from "../lib/version.ts";
import type { Session } from "./command.ts";
import { type Io, UsageError } from "./io.ts";
import type { Arguments, GivenOptions, Option } from "./options.ts";

/** `--part`. */
export const PART_OPTION: Option = {
  name: "part",
  value: "I/N",
  help: "does the I-th of N shares only, into OUT/parts: see `saewing merge`",
};

/** Options that do not change the bits of a result. */
const FREE = [
  ...["part", "out", "quiet", "json", "cache-dir", "at-once", "checkpoint-every", "overwrite"],
];

/** A part that this process works on. */
export interface PartWork {
  /** The run's output folder. */
  out: string;
  part: Part;
  /** The part's own folder. */
  folder: string;
  /** The session, which also ends when another process takes the part over. */
  session: Session;
  /** Whether the part is still this process's; asked before files are put in place. */
  check(): Promise<void>;
}

/** What a finished part is made of. */
export interface FinishedPart {
  /** Its files, relative to its folder. */
  names: string[];
  /** What merging needs beside them. */
  result: Record<string, unknown>;
}

/** All parts of a run, checked, which are put together. */
export interface Merge {
  /** The run's output folder. */
  out: string;
  parts: WholeParts;
  session: Session;
}

/** What is done in parts. */
export interface PartRun {
  command: string;
  options: Arguments;
  /** What else decides the bits: positional arguments by name. */
  more?: GivenOptions;
}

/**
 * The part that `--part` names; undefined where it is not given.
 *
 * @throws {UsageError} It is no part, or the options do not go with it.
 */
export function givenPart(options: Arguments): Part | undefined {
  const text = options.text("part");
  if (text === undefined) return undefined;
  const part = asUsage(() => parsePart(text));
  if (options.text("out") === undefined) {
    throw new UsageError("--part needs --out: the folder that all parts share");
  }
  if (options.flag("overwrite")) {
    throw new UsageError(
      `--overwrite cannot be used with --part: remove ${
        options.text("out")
      }/${PARTS_FOLDER} to start over`,
    );
  }
  return part;
}

/**
 * Does a part, unless it is done: claims it, works, and writes its record.
 *
 * @throws {UsageError} The folder holds another run, or parts of other options.
 * @throws {Error} Another process took the part over; also what the work throws.
 */
export async function runPart(
  part: Part,
  { command, options, more }: PartRun,
  session: Session,
  work: (part: PartWork) => Promise<FinishedPart>,
): Promise<void> {
  const { io, output } = session;
  const out = options.required("out");
  const name = `part ${partText(part)}`;
  await refuseOthers(out, part);
  const facts = { createdBy: `saewing ${VERSION}`, command, options: deciding(options, more) };
  refuseOtherOptions(out, part, facts);
  const isDone = () => Promise.resolve(readPartRecord(out, part) !== undefined);
  await using held = await claimPart(out, part, {
    ...{ takeover: takeoverTime(io), signal: session.signal, isDone },
    onWait: (claim) => output.say(`${name} waits for ${describeClaim(claim)}, which works on it`),
  });
  if (held) {
    const signal = AbortSignal.any([session.signal, held.signal]);
    const check = () => held.check();
    const { folder } = partPaths(out, part);
    await Deno.mkdir(folder, { recursive: true });
    session.leaves({
      text: `what ${name} has finished is kept, the same command continues`,
      data: { folder: out, part: partText(part) },
    });
    const own: Session = { ...session, signal };
    const { names, result } = await work({ out, part, folder, session: own, check });
    await check();
    await writePartRecord(out, {
      ...{ command, part, options: facts.options, names, result, beforeRename: check },
    });
  }
  output.say(
    `${name} of ${out} is done${held ? "" : " already"}; \`saewing merge ${out}\` writes the whole`,
  );
  output.result({ folder: out, part: partText(part), done: true, before: !held });
}

/** Time after which a claim that does not change is taken over; tests set it shorter. */
export function takeoverTime(io: Io): number | undefined {
  return secondsOf(io, "SAEWING_TAKEOVER_SECONDS");
}

/** Time in which files may appear late on a shared folder. */
export function patienceTime(io: Io): number | undefined {
  return secondsOf(io, "SAEWING_PATIENCE_SECONDS");
}

function secondsOf(io: Io, name: string): number | undefined {
  const text = io.env(name);
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  if (seconds >= 0 && seconds < Infinity) return 1000 * seconds;
  throw new UsageError(`${name} is ${text}, expected a number of seconds from 0 on`);
}

function deciding(options: Arguments, more: GivenOptions = {}): GivenOptions {
  const all = { ...options.given, ...more };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !FREE.includes(name)));
}

/** @throws {UsageError} A part that is done is of another run. */
function refuseOtherOptions(out: string, { count }: Part, facts: PartFacts): void {
  for (const part of allParts(count)) {
    const record = readPartRecord(out, part);
    const found = record && partDifference(record, facts);
    if (!found) continue;
    throw new UsageError(
      `part ${partText(part)} in ${out} is done ${found[0]}, this is ${
        found[1]
      }: all parts need the same ` +
        `options; take another --out`,
    );
  }
}

/** @throws {UsageError} The folder holds a run in one piece, or parts of another number. */
async function refuseOthers(out: string, part: Part): Promise<void> {
  const count = await countParts(out);
  if (count !== undefined && count !== part.count) {
    throw new UsageError(
      `${out} holds a run in ${count} parts, this is part ${partText(part)}: take another --out`,
    );
  }
  if (count !== undefined) return;
  const files = await listFiles(out).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  const found = files.length > 0 ? await findRun(out, files) : undefined;
  if (!found) return;
  throw new UsageError(
    `${out} holds what \`saewing ${found.command}\` wrote: parts need a folder of their own, take another ` +
      `--out`,
  );
}

function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`--part: ${(error as Error).message}`);
  }
}
