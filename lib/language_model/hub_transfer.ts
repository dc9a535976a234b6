import type { Progress } from "../progress.ts";
import { type BlobHash, hashFile, startHash } from "./hub_hash.ts";
import { hubRefusal } from "./hub_location.ts";
import { type Hub, type HubAnswer, hubRequest, PassingFailure } from "./hub_request.ts";
import { type StallTimer, stallTimer } from "./stall_timer.ts";

/** Which file is asked for. */
export interface Asked {
  /** How the hub is reached. */
  hub: Hub;
  /** Id of the repository. */
  repo: string;
  /** Branch, tag or commit, as messages name it. */
  revision: string;
  /** The commit that is asked for, where it is known. */
  commit?: string;
  /** Path of the file in the repository. */
  file: string;
  /** Called after each piece that arrives. */
  onProgress?: (progress: Progress) => void;
}

/** What the hub says of a file before it is fetched. */
export interface Announced {
  /** The commit that the revision stands for. */
  commit?: string;
  /** Length in bytes. */
  size?: number;
  /** Names the content: parts of different contents are never joined. Safe as a file's name. */
  etag?: string;
  /** The etag that the host with the content knows, for If-Range. */
  rangeTag?: string;
}

function fileUrl({ hub, repo, file, revision, commit }: Asked): string {
  const name = file.split("/").map(encodeURIComponent).join("/");
  return `${hub.endpoint}/${repo}/resolve/${encodeURIComponent(commit ?? revision)}/${name}`;
}

/**
 * Asks the hub about a file, which sends nothing of it.
 *
 * @throws PassingFailure when the hub does not answer, and what `hubRefusal` gives.
 */
export async function announce(asked: Asked): Promise<Announced> {
  const { hub } = asked;
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, fileUrl(asked), { method: "HEAD" }, timer)
    .catch(timer.explain);
  const { response, hubHeader } = answer;
  await response.body?.cancel();
  if (response.status >= 400 && response.status !== 405) throw refusal(asked, answer);
  const linked = bare(hubHeader("x-linked-etag"));
  // The length of a redirect's own body says nothing of the file, nor does its etag.
  const own = response.status === 200 ? response.headers : undefined;
  return {
    commit: commitOf(answer),
    etag: linked ?? bare(own?.get("etag")),
    size: byteCount(hubHeader("x-linked-size")) ?? byteCount(own?.get("content-length")),
    // Weak tags are not allowed in If-Range.
    rangeTag: linked ? undefined : own?.get("etag")?.replace(/^W\/.*/, "") || undefined,
  };
}

// An etag becomes a file's name: one with other characters is left out, as if there were none.
function bare(etag: string | null | undefined): string | undefined {
  return /^(?:W\/)?"?([\w-]{1,200})"?$/.exec(etag ?? "")?.[1];
}

function byteCount(text: string | null | undefined): number | undefined {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function commitOf({ hubHeader }: HubAnswer): string | undefined {
  return /^[0-9a-f]{40}$/.exec(hubHeader("x-repo-commit") ?? "")?.[0];
}

function refusal(asked: Asked, answer: HubAnswer): Error {
  const { response: { status, url }, fromHub, hubHeader } = answer;
  // Another host's refusal is mostly an address that has expired: the hub gives a new one.
  if (!fromHub) return new PassingFailure(`${new URL(url).host} answers ${status}`);
  return hubRefusal(asked.hub, asked, {
    status,
    file: asked.file,
    code: hubHeader("x-error-code"),
    commit: commitOf(answer),
  });
}

/**
 * Fetches what a part lacks of the content, and checks size and hash. A part with too much or with
 * other bytes is removed.
 *
 * @param part Path of the file that holds the beginning of the content, if there is one.
 * @returns The content's hash, undefined where the etag is none.
 * @throws PassingFailure when the transfer breaks or brings something else.
 */
export async function fetchContent(
  asked: Asked,
  announced: Announced,
  part: string,
): Promise<string | undefined> {
  const { size, etag } = announced;
  const there = (await Deno.stat(part).catch(() => undefined))?.size ?? 0;
  if (size !== undefined && there > size) {
    await Deno.remove(part);
    throw new PassingFailure(`${there} of ${size} bytes arrived`);
  }
  const hash = startHash(etag, size);
  if (there > 0) await hash?.file(part);
  const whole = there > 0 && there === size;
  const arrived = whole
    ? { bytes: size, hash }
    : await transfer(asked, announced, { path: part, size: there, hash });
  const digest = await (arrived.hash?.digest() ?? hashFile(etag, part, arrived.bytes));
  if (etag === undefined || digest === undefined || digest === etag) return digest;
  await Deno.remove(part);
  const name = digest.length === 64 ? "SHA-256" : "git hash";
  throw new PassingFailure(`its ${name} is ${digest}, the hub announced ${etag}`);
}

interface Part {
  path: string;
  size: number;
  /** Of what is there. */
  hash?: BlobHash;
}

async function transfer(
  asked: Asked,
  { size, etag, rangeTag }: Announced,
  part: Part,
): Promise<{ bytes: number; hash?: BlobHash }> {
  const { hub } = asked;
  let at = part.size;
  const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
  if (at > 0 && rangeTag) headers["if-range"] = rangeTag;
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, fileUrl(asked), { headers }, timer).catch(timer.explain);
  const { response } = answer;
  const refuse = async (error: Error, keep = false): Promise<never> => {
    await response.body?.cancel();
    if (!keep) await Deno.remove(part.path).catch(() => {});
    throw error;
  };
  if (response.status === 416) {
    await refuse(new PassingFailure(`the server has no bytes from ${at} on`));
  }
  if (response.status >= 300) await refuse(refusal(asked, answer), true);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && Number(range?.[1]) !== at) {
    await refuse(
      new PassingFailure(`the server sent bytes ${range?.[0]} where those from ${at} were asked`),
    );
  }
  if (response.status !== 206) at = 0;
  const length = at > 0 ? byteCount(range?.[2]) : byteCount(response.headers.get("content-length"));
  const expected = size ?? (response.headers.has("content-encoding") ? undefined : length);
  const hash = at > 0 ? part.hash : startHash(etag, expected);
  using target = await Deno.open(part.path, { create: true, write: true });
  await target.truncate(at);
  await target.seek(at, Deno.SeekMode.Start);
  for await (const piece of pieces(response, timer)) {
    at += piece.length;
    const wrong = tooMuch(asked, at, expected, response);
    if (wrong) {
      await target.truncate(0);
      throw wrong;
    }
    for (let rest = piece; rest.length > 0;) rest = rest.subarray(await target.write(rest));
    hash?.update(piece);
    asked.onProgress?.({ phase: asked.file, done: at, ...expected && { total: expected } });
  }
  if (expected !== undefined && at !== expected) {
    throw new PassingFailure(`${at} of ${expected} bytes arrived`);
  }
  return { bytes: at, hash };
}

async function* pieces(response: Response, timer: StallTimer): AsyncGenerator<Uint8Array> {
  const reader = (response.body ?? new Blob([]).stream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => timer.explain(error));
      if (done) return;
      timer.restart();
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function tooMuch(
  { hub, repo, file }: Asked,
  bytes: number,
  expected: number | undefined,
  response: Response,
): Error | undefined {
  if (expected !== undefined) {
    if (bytes <= expected) return undefined;
    return new PassingFailure(`more than the ${expected} bytes that were announced arrived`);
  }
  if (bytes <= hub.patience.unannounced) return undefined;
  return new Error(
    `${file} of ${repo}: more than ${hub.patience.unannounced} bytes arrived from ` +
      `${new URL(response.url).host}, which did not say how many there are`,
  );
}
