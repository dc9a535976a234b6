import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import {
  cachedSnapshot,
  isCommit,
  isFile,
  lockBlob,
  missingPath,
  noteMissing,
  placeBlob,
  repositoryFolder,
  revisionSnapshot,
  snapshotPath,
  writeRef,
} from "./hub_cache.ts";
import { HubFileMissingError, type HubRepository } from "./hub_location.ts";
import { type Hub, type HubOptions, hubSettings, withRetries } from "./hub_request.ts";
import type { Progress } from "../progress.ts";
import { fetchContent, fetchMetadata, type FileMetadata } from "./hub_transfer.ts";

/** Options of {@linkcode downloadHubFile}. */
export interface HubFileOptions extends HubRepository, HubOptions {
  /** Path of the file in the repository. */
  file: string;
  /** The revision's commit, where the file must be of the same commit as an earlier one. */
  commit?: string;
  /** Called while the file is downloaded. */
  onProgress?: (progress: Progress) => void;
}

/** A downloaded file of the hub. */
export interface HubFile {
  /** Absolute path in the snapshot's folder; usually a link. */
  path: string;
  /** The file's commit; undefined where the hub sends none. */
  commit?: string;
}

/**
 * Returns the path of a hub file, and downloads it into Hugging Face's cache if it is not there. For
 * a commit, cached files are used without a request. For a branch or tag, the hub is asked for the
 * commit and the file's etag, and only content that is not cached is downloaded; where the hub does
 * not respond (one attempt) or refuses, the cached file is used.
 *
 * A broken transfer is resumed, also by a later call (`blobs/ETAG.incomplete`). A file gets its final
 * name once its size, and its SHA-256 or git hash where the etag is one, are right. Of two calls for
 * the same content, in one process or two, one downloads and the other waits.
 *
 * @throws {HubFileMissingError} The repository has no such file, or in offline mode the cache has not.
 * @throws {Error} The repository does not exist or is not accessible, or the hub cannot be reached.
 */
export async function downloadHubFile(options: HubFileOptions): Promise<HubFile> {
  const { repo, file, revision = "main" } = options;
  const repository = repositoryFolder(options);
  const known = options.commit ?? (isCommit(revision) ? revision : undefined);
  const snapshot = known ?? await cachedSnapshot(repository, revision);
  const path = snapshotPath(repository, snapshot, file);
  const cached: HubFile | undefined = await isFile(path)
    ? { path, commit: isCommit(snapshot) ? snapshot : undefined }
    : undefined;
  if (known && cached) return cached;
  if (known && await isFile(missingPath(repository, known, file))) {
    throw new HubFileMissingError(`${repo} has no file ${file} at revision ${revision}`);
  }
  const hub = hubSettings(options);
  if (hub.offline) {
    if (cached) return cached;
    throw new HubFileMissingError(
      `${file} of ${repo} at revision ${revision} is not in the cache (${repository}), and nothing ` +
        `is downloaded in offline mode (HF_HUB_OFFLINE)`,
    );
  }
  const wanted = { ...options, hub, revision, commit: known, repository };
  const metadata = await requestMetadata(wanted, cached);
  if (!metadata) return cached!;
  const commit = known ?? metadata.commit;
  const found = {
    path: snapshotPath(repository, commit ?? revisionSnapshot(revision), file),
    commit,
  };
  // Without a commit, the same path does not imply the same content.
  if ((commit || !metadata.etag) && await isFile(found.path)) {
    // The cache may be read-only; its files can still be used.
    if (commit && !known) await writeRef(repository, revision, commit).catch(() => {});
    return found;
  }
  await downloadBlob({ ...wanted, commit }, metadata, found.path);
  if (commit && !known) await writeRef(repository, revision, commit);
  return found;
}

interface Wanted extends HubFileOptions {
  hub: Hub;
  revision: string;
  /** The repository's folder in the cache. */
  repository: string;
}

function failureText({ hub, repo, file }: Wanted): string {
  return `${file} of ${repo} could not be downloaded from ${hub.endpoint}`;
}

/** Metadata of the file; undefined where the hub fails and the cached file is used instead. */
async function requestMetadata(
  wanted: Wanted,
  cached?: HubFile,
): Promise<FileMetadata | undefined> {
  const { hub, repository, revision, commit, file, signal } = wanted;
  const attempts = cached ? 1 : hub.limits.attempts;
  try {
    return await withRetries(
      { ...hub, limits: { ...hub.limits, attempts } },
      failureText(wanted),
      () => fetchMetadata(wanted),
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HubFileMissingError) {
      if (error.commit) {
        await noteMissing(repository, error.commit, file).catch(() => {});
        if (!commit) await writeRef(repository, revision, error.commit).catch(() => {});
      }
      throw error;
    }
    if (!cached) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    wanted.onCached?.({ repo: wanted.repo, file, reason });
  }
}

/** Downloads the content if it is not among the blobs, and adds it to the snapshot as `path`. */
async function downloadBlob(wanted: Wanted, metadata: FileMetadata, path: string): Promise<void> {
  const { hub, repository, revision, commit, file, signal } = wanted;
  const { etag } = metadata;
  const blobs = join(repository, "blobs");
  const name = etag ?? `untagged-${shortHash(`${commit ?? revision}/${file}`)}`;
  await Deno.mkdir(blobs, { recursive: true });
  await Deno.mkdir(dirname(path), { recursive: true });
  using _lock = await lockBlob(repository, name, signal);
  if (etag && await isFile(join(blobs, etag))) {
    return await placeBlob(join(blobs, etag), path, false);
  }
  // Another process held the lock and downloaded it; where links are not possible it moved the blob.
  if (commit && await isFile(path)) return;
  const part = join(blobs, `${name}.incomplete`);
  const digest = await withRetries(hub, failureText(wanted), async () => {
    // Without an etag a partial file may belong to other content.
    if (!etag) await Deno.writeFile(part, new Uint8Array(0));
    return await fetchContent(wanted, metadata, part);
  }, () => sizeOf(part));
  const blob = join(blobs, etag ?? digest!);
  await Deno.rename(part, blob);
  await placeBlob(blob, path, true);
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
