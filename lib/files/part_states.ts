import { join } from "@std/path";
import { isDead, readClaim, TAKEOVER_MS } from "./claim_part.ts";
import { allParts, countParts, type Part, partPaths, PARTS_FOLDER } from "./part.ts";
import { readPartRecord } from "./part_record.ts";

/** How far a part is. */
export interface PartState {
  /** Which one. */
  part: Part;
  /**
   * "waiting": nothing works on it; "running": a process does; "failed": its log ends with an error, its process
   * died, or its record cannot be read; "done".
   */
  state: "waiting" | "running" | "failed" | "done";
  /** The host that works on it, or did when its process died. */
  host?: string;
  /** The process there. */
  pid?: number;
  /** When the process last said that it lives, by the clock of the folder's server. */
  lastBeat?: Date;
  /** The command, of a part that is done. */
  command?: string;
  /** The last line of its log, or what is wrong with its record. */
  lastLine?: string;
}

/** Bytes at the end of a log in which its last line is looked for. */
const LOG_END = 4096;

/**
 * How far the parts of a run are, from the files below OUT/parts alone: whatever started them.
 *
 * @param out The run's output folder.
 * @param options `count`: number of parts, where none may have begun yet; `takeover`: time, in milliseconds,
 * after which a claim that did not change is that of a dead process.
 * @returns All parts in order; none where the folder has none and `count` is not given.
 * @throws {Error} There are parts of several divisions.
 */
export async function partStates(
  out: string,
  { count, takeover = TAKEOVER_MS }: { count?: number; takeover?: number } = {},
): Promise<PartState[]> {
  const found = await countParts(out) ?? count;
  if (found === undefined) return [];
  const now = await serverTime(out);
  return await Promise.all(
    allParts(found).map((part) => partState(out, part, { now, takeover })),
  );
}

async function partState(
  out: string,
  part: Part,
  { now, takeover }: { now: number; takeover: number },
): Promise<PartState> {
  const paths = partPaths(out, part);
  const lastLine = await lastLineOf(paths.log);
  try {
    const record = readPartRecord(out, part);
    if (record) return { part, state: "done", command: record.command, lastLine };
  } catch (error) {
    return { part, state: "failed", lastLine: (error as Error).message };
  }
  const claim = readClaim(paths.claim);
  if (claim) {
    const { host, pid } = claim;
    const { mtime } = await Deno.stat(paths.claim).catch(() => ({ mtime: null }));
    const isStale = isDead(claim) || mtime !== null && now - mtime.getTime() > takeover;
    const lastBeat = mtime ?? undefined;
    return { part, state: isStale ? "failed" : "running", host, pid, lastBeat, lastLine };
  }
  return { part, state: isError(lastLine) ? "failed" : "waiting", lastLine };
}

/** A command's error is its last line, or, where it was called wrongly, that and a hint at the help. */
function isError(line: string | undefined): boolean {
  return line !== undefined &&
    /^(`saewing \w+ --help` shows how$|saewing( \w+)?: |error: )/.test(line);
}

/** The clock of the folder's server: that of a file written now. Hosts' clocks can differ by minutes. */
async function serverTime(out: string): Promise<number> {
  const path = join(out, PARTS_FOLDER, `.now.${crypto.randomUUID()}`);
  try {
    await Deno.writeTextFile(path, "");
    const { mtime } = await Deno.stat(path);
    await Deno.remove(path);
    return mtime?.getTime() ?? Date.now();
  } catch {
    // A folder that may only be read.
    return Date.now();
  }
}

/** The last line of a log that is not empty; undefined where there is no log. */
export async function lastLineOf(path: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    await file.seek(Math.max(0, size - LOG_END), Deno.SeekMode.Start);
    const buffer = new Uint8Array(LOG_END);
    let filled = 0;
    for (let read; (read = await file.read(buffer.subarray(filled))) !== null && read > 0;) {
      filled += read;
    }
    const text = new TextDecoder().decode(buffer.subarray(0, filled));
    return text.split(/[\r\n]+/).findLast((line) => line.trim() !== "")?.trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
