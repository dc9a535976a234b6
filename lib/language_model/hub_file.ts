import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import {
  HubFileMissing,
  hubFolder,
  hubPathParts,
  hubRefusal,
  type HubRepository,
} from "./hub_location.ts";
import {
  type Hub,
  type HubOptions,
  hubRequest,
  hubSettings,
  PassingFailure,
  sleep,
  withRetries,
} from "./hub_request.ts";
import { stallTimer } from "./stall_timer.ts";

/** How far the download of a file is. */
export interface DownloadProgress {
  /** File name in the repository. */
  file: string;
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all, 0 where the server does not say. */
  total: number;
}

/** Which file is wanted, and how the hub is reached. */
export interface HubFileOptions extends HubRepository, HubOptions {
  /** Path of the file in the repository. */
  file: string;
  /** Called while the file is downloaded. */
  onProgress?: (progress: DownloadProgress) => void;
}

interface Download extends HubFileOptions {
  hub: Hub;
  /** Where the file will be. */
  path: string;
  /** Beginning of the paths of its parts. */
  parts: string;
}

/**
 * Gives the path of a file of the hub, downloading it into the cache if it is not there. A file of
 * the cache is complete and is not asked for again, whatever becomes of its branch. A broken
 * transfer goes on where it ended, also in a later call; a file gets its name only when its size,
 * and its SHA-256 where the hub tells it, are right. Of two calls for the same file, in one process
 * or in two, one downloads and the other waits.
 *
 * @returns The absolute path of the file.
 * @throws HubFileMissing when the repository has no such file, or the cache has not in offline mode.
 * @throws Error when the repository does not exist or is closed, or the hub cannot be reached.
 */
export async function downloadHubFile(options: HubFileOptions): Promise<string> {
  const { repo, file, signal, revision = "main" } = options;
  const folder = hubFolder(options);
  const path = join(folder, ...hubPathParts(file));
  if (await isFile(path)) return path;
  const hub = hubSettings(options);
  if (hub.offline) {
    throw new HubFileMissing(
      `${path} does not exist, and nothing is downloaded in offline mode (HF_HUB_OFFLINE): ` +
        `${file} of ${repo} at revision ${revision} is missing`,
    );
  }
  // Beside the revisions, whose names begin with a letter or digit: no file of the hub is there.
  const parts = join(dirname(folder), ".parts");
  const key = shortHash(`${revision}/${file}`);
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.mkdir(parts, { recursive: true });
  using lock = await Deno.open(join(parts, `${key}.lock`), { create: true, write: true });
  while (!await lock.tryLock(true)) await sleep(100, signal);
  if (await isFile(path)) return path;
  await download({ ...options, hub, path, parts: join(parts, key) });
  for await (const { name } of Deno.readDir(parts)) {
    // Windows keeps files that are open: who waits for the lock has it open.
    if (name.startsWith(`${key}.`)) await Deno.remove(join(parts, name)).catch(() => {});
  }
  return path;
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/** What the hub says of a file before it is fetched. */
interface Announced {
  size?: number;
  /** Names the content: parts of different contents are never joined. */
  etag?: string;
  sha256?: string;
  /** The etag that the host with the content knows, for If-Range. */
  rangeTag?: string;
}

async function download(wanted: Download): Promise<void> {
  const { hub, repo, file, path, parts } = wanted;
  let part = "";
  const what = `${file} of ${repo} could not be downloaded from ${hub.endpoint}`;
  await withRetries(hub, what, async () => {
    const announced = await announce(wanted);
    part = `${parts}.${shortHash(announced.etag ?? "untagged")}.part`;
    // Without a tag nothing says that what is there belongs to the same content.
    if (!announced.etag) await Deno.writeFile(part, new Uint8Array(0));
    const size = await transfer(wanted, announced, part);
    await check(part, size, announced);
    await Deno.rename(part, path);
  }, () => sizeOf(part));
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

function fileUrl({ hub, repo, file, revision = "main" }: Download): string {
  const name = file.split("/").map(encodeURIComponent).join("/");
  return `${hub.endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${name}`;
}

async function announce(wanted: Download): Promise<Announced> {
  const { hub } = wanted;
  using timer = stallTimer(hub);
  const url = fileUrl(wanted);
  const answer = await hubRequest(hub, url, { method: "HEAD" }, timer.signal).catch(timer.explain);
  const { response, hubHeader } = answer;
  await response.body?.cancel();
  if (response.status >= 400 && response.status !== 405) throw refusal(wanted, answer);
  const linked = bare(hubHeader("x-linked-etag"));
  // The length of a redirect's own body says nothing of the file.
  const own = response.status === 200 ? response.headers : undefined;
  const etag = linked ?? bare(own?.get("etag"));
  return {
    etag,
    size: byteCount(hubHeader("x-linked-size")) ?? byteCount(own?.get("content-length")),
    sha256: linked && /^[0-9a-f]{64}$/.test(linked) ? linked : undefined,
    // Weak tags are not allowed in If-Range.
    rangeTag: linked ? undefined : own?.get("etag")?.replace(/^W\/.*/, "") || undefined,
  };
}

function bare(etag: string | null | undefined): string | undefined {
  return etag?.replace(/^W\//, "").replace(/^"(.*)"$/, "$1") || undefined;
}

function byteCount(text: string | null | undefined): number | undefined {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function refusal(
  wanted: Download,
  { response, fromHub, hubHeader }: Awaited<ReturnType<typeof hubRequest>>,
): Error {
  const { status } = response;
  // Another host's refusal is mostly an address that has expired: the hub gives a new one.
  if (!fromHub) return new PassingFailure(`${new URL(response.url).host} answers ${status}`);
  return hubRefusal(wanted.hub, wanted, {
    status,
    file: wanted.file,
    code: hubHeader("x-error-code"),
  });
}

// Fetches what the part lacks; gives the size the whole must have, where it is known.
async function transfer(
  wanted: Download,
  { size, rangeTag }: Announced,
  part: string,
): Promise<number | undefined> {
  const { hub, file, onProgress } = wanted;
  let at = sizeOf(part);
  if (at > 0 && at === size) return size;
  const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
  if (at > 0 && rangeTag) headers["if-range"] = rangeTag;
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, fileUrl(wanted), { headers }, timer.signal)
    .catch(timer.explain);
  const { response } = answer;
  if (response.status === 416) {
    await response.body?.cancel();
    await Deno.remove(part);
    throw new PassingFailure(`the server has no bytes from ${at} on`);
  }
  if (response.status >= 300) {
    await response.body?.cancel();
    throw refusal(wanted, answer);
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && Number(range?.[1]) !== at) {
    await response.body?.cancel();
    await Deno.remove(part).catch(() => {});
    throw new PassingFailure(
      `the server sent bytes ${range?.[0]} where those from ${at} were asked`,
    );
  }
  if (response.status !== 206) at = 0;
  const length = at > 0 ? byteCount(range?.[2]) : byteCount(response.headers.get("content-length"));
  const expected = size ?? (response.headers.has("content-encoding") ? undefined : length);
  using target = await Deno.open(part, { create: true, write: true });
  await target.truncate(at);
  await target.seek(at, Deno.SeekMode.Start);
  const reader = (response.body ?? new Blob([]).stream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => timer.explain(error));
      if (done) return expected;
      timer.restart();
      at += value.length;
      if (expected !== undefined && at > expected) {
        await target.truncate(0);
        throw new PassingFailure(`more than the ${expected} bytes that were announced arrived`);
      }
      if (expected === undefined && at > hub.patience.unannounced) {
        await target.truncate(0);
        throw new Error(
          `${file} of ${wanted.repo}: more than ${hub.patience.unannounced} bytes arrived from ` +
            `${new URL(response.url).host}, which did not say how many there are`,
        );
      }
      for (let rest = value; rest.length > 0;) rest = rest.subarray(await target.write(rest));
      onProgress?.({ file, loaded: at, total: expected ?? 0 });
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function check(part: string, size: number | undefined, { sha256 }: Announced): Promise<void> {
  const found = sizeOf(part);
  if (size !== undefined && found !== size) {
    if (found > size) await Deno.remove(part);
    throw new PassingFailure(`${found} of ${size} bytes arrived`);
  }
  if (sha256 === undefined) return;
  const hash = createHash("sha256");
  using source = await Deno.open(part);
  for await (const chunk of source.readable) hash.update(chunk);
  const digest = hash.digest("hex");
  if (digest === sha256) return;
  await Deno.remove(part);
  throw new PassingFailure(`its SHA-256 is ${digest}, the hub announced ${sha256}`);
}
