import process from "node:process";
import { basename, dirname } from "@std/path";
import { readRegularText } from "../language_model/regular_file.ts";
import { type Part, partPaths, partText } from "./part.ts";
import { removeLeftovers, replaceText } from "./replace_file.ts";

/** What a claim says of the process that works on a part. */
export interface Claim {
  /** Its host. */
  host: string;
  /** Its number there. */
  pid: number;
  /** Boot and process space of the host: only within one of them a number names a process. */
  space?: string;
  /** Random: tells claims apart. */
  token: string;
  /** When the work began, ISO 8601 by the host's clock; for people. */
  started: string;
  /** Counts up while the process lives. */
  beat: number;
}

/** A part that this process works on, until it is disposed of. */
export interface HeldPart extends AsyncDisposable {
  /** Aborted, with an error that says who it was, when another process took the part over. */
  signal: AbortSignal;
  /**
   * Looks whether the part is still this process's. Asked before files are put in place.
   *
   * @throws {Error} Another process took it over.
   */
  check(): Promise<void>;
}

/** Options of {@linkcode claimPart}. */
export interface ClaimOptions {
  /** Time after which a claim that does not change is taken over, milliseconds. */
  takeover?: number;
  /** Ends the waiting; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Called once with the claim of another process that is waited for. */
  onWait?: (claim: Claim | undefined) => void;
  /** Whether the part was finished in the meantime: then nothing is left to claim. */
  isDone?: () => Promise<boolean>;
}

/** A claim stands for a living process this long after it last changed. */
export const TAKEOVER_MS = 60_000;

/** A process says so often in that time that it lives. */
const BEATS = 12;

/**
 * Claims a part for this process: a file that is made exclusively, and rewritten every few seconds with a
 * higher beat. Where another process has it, this one waits: until the claim goes, or the part is done, or
 * the beat stands still for the takeover time. Clocks of two hosts are never compared. A process of this
 * host that is dead is not waited for.
 *
 * Two processes that take over at once: the later file stays, and each looks a beat later whose it is.
 *
 * @param out The run's output folder.
 * @returns The part; undefined where it is done.
 * @throws {Error} The claim cannot be written; also the signal's reason.
 */
export async function claimPart(
  out: string,
  part: Part,
  options: ClaimOptions = {},
): Promise<HeldPart | undefined> {
  return await claimFile(partPaths(out, part).claim, `part ${partText(part)}`, options);
}

/**
 * Claims what a file stands for, as {@linkcode claimPart} does.
 *
 * @param path The file; its folder is made where missing.
 * @param what Names it in errors: "part 3/8".
 */
export async function claimFile(
  path: string,
  what: string,
  { takeover = TAKEOVER_MS, signal, onWait, isDone }: ClaimOptions = {},
): Promise<HeldPart | undefined> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const every = Math.max(1, Math.floor(takeover / BEATS));
  const own: Claim = {
    ...{ host: host(), pid: Deno.pid, space: processSpace(), token: crypto.randomUUID() },
    ...{ started: new Date().toISOString(), beat: 0 },
  };
  let seen: string | undefined;
  let since = 0;
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    if (await isDone?.()) return undefined;
    if (await createClaim(path, own)) return holdPart(path, what, own, every);
    const text = readText(path);
    if (text === undefined) continue;
    const other = parseClaim(text);
    if (text !== seen) [seen, since] = [text, performance.now()];
    const dead = isDead(other);
    if (dead || performance.now() - since >= takeover) {
      await replaceText(path, textOf(own));
      // A living owner that was slow writes within a beat, and keeps the part.
      await pause(dead ? Math.min(every, 500) : every, signal);
      if (parseClaim(readText(path))?.token === own.token) {
        return holdPart(path, what, own, every);
      }
      continue;
    }
    if (!told) onWait?.(other);
    told = true;
    await pause(Math.min(every, 1000), signal);
  }
}

/** The claim of a part: undefined where there is none. A file that is no claim (yet) has no fields. */
export function readClaim(path: string): Partial<Claim> | undefined {
  const text = readText(path);
  return text === undefined ? undefined : parseClaim(text) ?? {};
}

/** Whether the process of a claim is known to have ended: it is one of this host, and not there. */
export function isDead(claim: Partial<Claim> | undefined): boolean {
  if (!claim || claim.pid === undefined || claim.host !== host()) return false;
  if (claim.space !== processSpace()) return false;
  try {
    process.kill(claim.pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}

/** "process 12 on host a". */
export function describeClaim(claim: Partial<Claim> | undefined): string {
  return claim?.pid === undefined ? "another process" : `process ${claim.pid} on ${claim.host}`;
}

async function createClaim(path: string, claim: Claim): Promise<boolean> {
  try {
    await Deno.writeTextFile(path, textOf(claim), { createNew: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function holdPart(path: string, what: string, own: Claim, every: number): HeldPart {
  const controller = new AbortController();
  const look = (): void => {
    const found = readClaim(path);
    if (found?.token === own.token) return;
    const who = found ? `${describeClaim(found)} took over` : "somebody removed the claim of";
    controller.abort(
      new Error(`${who} ${what}, this process stops (claim: ${path})`),
    );
  };
  let writing = Promise.resolve();
  const beat = async (): Promise<void> => {
    look();
    if (controller.signal.aborted) return clearInterval(timer);
    own.beat++;
    // A folder that cannot be written for a while: the next beat tries again.
    await replaceText(path, textOf(own)).catch(() => {});
  };
  const timer = setInterval(() => writing = writing.then(beat), every);
  // A claim alone keeps no process alive.
  Deno.unrefTimer(timer);
  return {
    signal: controller.signal,
    check() {
      look();
      return controller.signal.aborted
        ? Promise.reject(controller.signal.reason)
        : Promise.resolve();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await writing;
      if (readClaim(path)?.token !== own.token) return;
      await Deno.remove(path).catch(() => {});
      await removeLeftovers(dirname(path), basename(path)).catch(() => {});
    },
  };
}

function textOf(claim: Claim): string {
  return JSON.stringify(claim, undefined, 2) + "\n";
}

function parseClaim(text: string | undefined): Claim | undefined {
  try {
    const claim = JSON.parse(text ?? "");
    return typeof claim?.token === "string" ? claim : undefined;
  } catch {
    // It is being written, or somebody else's.
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readRegularText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function host(): string {
  try {
    return Deno.hostname();
  } catch {
    return "unknown host";
  }
}

/** Two containers can have one host name, and two machines the same numbers of processes. */
function processSpace(): string | undefined {
  try {
    const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
    return `${boot} ${Deno.readLinkSync("/proc/self/ns/pid")}`;
  } catch {
    return undefined;
  }
}

async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
  signal?.throwIfAborted();
}
