import type { Progress } from "../progress.ts";
import { type BlobHash, hashFile, startHash } from "./hub_hash.ts";
import { hubError } from "./hub_location.ts";
import {
  type Hub,
  hubRequest,
  type HubResponse,
  type StallTimer,
  stallTimer,
  TransientError,
} from "./hub_request.ts";

/** A request for a file. */
export interface FileRequest {
  /** How to reach the hub. */
  hub: Hub;
  /** Id of the repository. */
  repo: string;
  /** Branch, tag or commit, as error messages name it. */
  revision: string;
  /** The commit, where it is known. */
  commit?: string;
  /** Path of the file in the repository. */
  file: string;
  /** Called after each chunk with the number of bytes. */
  onProgress?: (progress: Progress) => void;
}

/** Metadata of a file, from a HEAD request. */
export interface FileMetadata {
  /** The revision's commit. */
  commit?: string;
  /** Length in bytes. */
  size?: number;
  /** Identifies the content; a valid file name. */
  etag?: string;
  /** The content host's own etag, for If-Range. */
  rangeTag?: string;
}

function fileUrl({ hub, repo, file, revision, commit }: FileRequest): string {
  const name = file.split("/").map(encodeURIComponent).join("/");
  return `${hub.endpoint}/${repo}/resolve/${encodeURIComponent(commit ?? revision)}/${name}`;
}

/**
 * Requests a file's metadata (HEAD).
 *
 * @throws {TransientError} The hub does not respond.
 * @throws {Error} The hub refuses, as `hubError` describes.
 */
export async function fetchMetadata(request: FileRequest): Promise<FileMetadata> {
  const { hub } = request;
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, fileUrl(request), { method: "HEAD" }, timer)
    .catch(timer.explain);
  const { response, hubHeader } = answer;
  await response.body?.cancel();
  if (response.status >= 400 && response.status !== 405) throw refusal(request, answer);
  const linked = bare(hubHeader("x-linked-etag"));
  // Length and etag of a redirect are not those of the file.
  const own = response.status === 200 ? response.headers : undefined;
  return {
    commit: commitOf(answer),
    etag: linked ?? bare(own?.get("etag")),
    size: byteCount(hubHeader("x-linked-size")) ?? byteCount(own?.get("content-length")),
    // Weak tags are not allowed in If-Range.
    rangeTag: linked ? undefined : own?.get("etag")?.replace(/^W\/.*/, "") || undefined,
  };
}

// Etags become file names: those with other characters are treated as absent.
function bare(etag: string | null | undefined): string | undefined {
  return /^(?:W\/)?"?([\w-]{1,200})"?$/.exec(etag ?? "")?.[1];
}

function byteCount(text: string | null | undefined): number | undefined {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function commitOf({ hubHeader }: HubResponse): string | undefined {
  return /^[0-9a-f]{40}$/.exec(hubHeader("x-repo-commit") ?? "")?.[0];
}

function refusal(request: FileRequest, answer: HubResponse): Error {
  const { response: { status, url }, fromHub, hubHeader } = answer;
  // Another host usually refuses because its signed URL has expired; the hub gives a new one.
  if (!fromHub) return new TransientError(`${new URL(url).host} answers ${status}`);
  return hubError(request.hub, request, {
    status,
    file: request.file,
    code: hubHeader("x-error-code"),
    commit: commitOf(answer),
  });
}

/**
 * Completes a partial file and checks its size and hash. A file with too many or wrong bytes is
 * removed.
 *
 * @param part Path of the partial file; it need not exist.
 * @returns The content's hash; undefined where the etag is not a hash.
 * @throws {TransientError} The transfer breaks, or size or hash are wrong.
 */
export async function fetchContent(
  request: FileRequest,
  metadata: FileMetadata,
  part: string,
): Promise<string | undefined> {
  const { size, etag } = metadata;
  const there = (await Deno.stat(part).catch(() => undefined))?.size ?? 0;
  if (size !== undefined && there > size) {
    await Deno.remove(part);
    throw new TransientError(`${there} of ${size} bytes arrived`);
  }
  const hash = startHash(etag, size);
  if (there > 0) await hash?.file(part);
  const whole = there > 0 && there === size;
  const arrived = whole
    ? { bytes: size, hash }
    : await transfer(request, metadata, { path: part, size: there, hash });
  const digest = await (arrived.hash?.digest() ?? hashFile(etag, part, arrived.bytes));
  if (etag === undefined || digest === undefined || digest === etag) return digest;
  await Deno.remove(part);
  const name = digest.length === 64 ? "SHA-256" : "git hash";
  throw new TransientError(`its ${name} is ${digest}, the hub announced ${etag}`);
}

interface Part {
  path: string;
  size: number;
  /** Hash of its bytes so far. */
  hash?: BlobHash;
}

async function transfer(
  request: FileRequest,
  { size, etag, rangeTag }: FileMetadata,
  part: Part,
): Promise<{ bytes: number; hash?: BlobHash }> {
  const { hub } = request;
  let at = part.size;
  const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
  if (at > 0 && rangeTag) headers["if-range"] = rangeTag;
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, fileUrl(request), { headers }, timer).catch(timer.explain);
  const { response } = answer;
  const refuse = async (error: Error, keep = false): Promise<never> => {
    await response.body?.cancel();
    if (!keep) await Deno.remove(part.path).catch(() => {});
    throw error;
  };
  if (response.status === 416) {
    await refuse(new TransientError(`the server has no bytes from ${at} on`));
  }
  if (response.status >= 300) await refuse(refusal(request, answer), true);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && Number(range?.[1]) !== at) {
    await refuse(
      new TransientError(
        `the server sent bytes ${range?.[0]} where those from ${at} were requested`,
      ),
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
    const wrong = tooMuch(request, at, expected, response);
    if (wrong) {
      await target.truncate(0);
      throw wrong;
    }
    for (let rest = piece; rest.length > 0;) rest = rest.subarray(await target.write(rest));
    hash?.update(piece);
    request.onProgress?.({ phase: request.file, done: at, ...expected && { total: expected } });
  }
  if (expected !== undefined && at !== expected) {
    throw new TransientError(`${at} of ${expected} bytes arrived`);
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
  { hub, repo, file }: FileRequest,
  bytes: number,
  expected: number | undefined,
  response: Response,
): Error | undefined {
  if (expected !== undefined) {
    if (bytes <= expected) return undefined;
    return new TransientError(`more than the ${expected} bytes that were announced arrived`);
  }
  if (bytes <= hub.limits.maxUnknownSize) return undefined;
  return new Error(
    `${file} of ${repo}: more than ${hub.limits.maxUnknownSize} bytes arrived from ` +
      `${new URL(response.url).host}, which did not say how many there are`,
  );
}
