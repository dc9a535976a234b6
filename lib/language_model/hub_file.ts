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
import { HubFileMissing, type HubRepository } from "./hub_location.ts";
import { type Hub, type HubOptions, hubSettings, withRetries } from "./hub_request.ts";
import type { Progress } from "../progress.ts";
import { announce, type Announced, fetchContent } from "./hub_transfer.ts";

/** Which file is wanted, and how the hub is reached. */
export interface HubFileOptions extends HubRepository, HubOptions {
  /** Path of the file in the repository. */
  file: string;
  /** The commit that the revision stands for, where an earlier file's is to be kept to. */
  commit?: string;
  /** Called while the file is downloaded. */
  onProgress?: (progress: Progress) => void;
}

/** A file of the hub on disk. */
export interface HubFile {
  /** Absolute path, in the snapshot's folder; mostly a link. */
  path: string;
  /** The commit whose file it is; undefined where the hub tells none. */
  commit?: string;
}

/**
 * Gives the path of a file of the hub, downloading it into Hugging Face's own cache if it is not
 * there. Of a commit, what the cache has is used without a request. Of a branch or tag, the hub is
 * asked for its commit and the file's etag, and only a content that the cache does not have is
 * downloaded; where the hub does not answer (one attempt) or refuses, what the cache has is used.
 *
 * A broken transfer goes on where it ended, also in a later call (`blobs/ETAG.incomplete`); a file
 * gets its name only when its size, and its SHA-256 or git hash where the etag is one, are right. Of
 * two calls for the same content, in one process or in two, one downloads and the other waits.
 *
 * @throws HubFileMissing when the repository has no such file, or the cache has not in offline mode.
 * @throws Error when the repository does not exist or is closed, or the hub cannot be reached.
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
    throw new HubFileMissing(`${repo} has no file ${file} at revision ${revision}`);
  }
  const hub = hubSettings(options);
  if (hub.offline) {
    if (cached) return cached;
    throw new HubFileMissing(
      `${file} of ${repo} at revision ${revision} is not in the cache (${repository}), and nothing ` +
        `is downloaded in offline mode (HF_HUB_OFFLINE)`,
    );
  }
  const wanted = { ...options, hub, revision, commit: known, repository };
  const announced = await ask(wanted, cached);
  if (!announced) return cached!;
  const commit = known ?? announced.commit;
  const found = {
    path: snapshotPath(repository, commit ?? revisionSnapshot(revision), file),
    commit,
  };
  // Without a commit, the name does not say that the content is the same.
  if ((commit || !announced.etag) && await isFile(found.path)) {
    // Others may own the cache, and what it has can be read all the same.
    if (commit && !known) await writeRef(repository, revision, commit).catch(() => {});
    return found;
  }
  await bring({ ...wanted, commit }, announced, found.path);
  if (commit && !known) await writeRef(repository, revision, commit);
  return found;
}

interface Wanted extends HubFileOptions {
  hub: Hub;
  revision: string;
  /** The repository's folder in the cache. */
  repository: string;
}

function whatFails({ hub, repo, file }: Wanted): string {
  return `${file} of ${repo} could not be downloaded from ${hub.endpoint}`;
}

/** What the hub says of the file; undefined where it says nothing and the cached one has to do. */
async function ask(wanted: Wanted, cached?: HubFile): Promise<Announced | undefined> {
  const { hub, repository, revision, commit, file, signal } = wanted;
  const attempts = cached ? 1 : hub.patience.attempts;
  try {
    return await withRetries(
      { ...hub, patience: { ...hub.patience, attempts } },
      whatFails(wanted),
      () => announce(wanted),
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HubFileMissing) {
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

/** Downloads the content if it is not among the blobs, and names it `path`. */
async function bring(wanted: Wanted, announced: Announced, path: string): Promise<void> {
  const { hub, repository, revision, commit, file, signal } = wanted;
  const { etag } = announced;
  const blobs = join(repository, "blobs");
  const name = etag ?? `untagged-${shortHash(`${commit ?? revision}/${file}`)}`;
  await Deno.mkdir(blobs, { recursive: true });
  await Deno.mkdir(dirname(path), { recursive: true });
  using _lock = await lockBlob(repository, name, signal);
  if (etag && await isFile(join(blobs, etag))) {
    return await placeBlob(join(blobs, etag), path, false);
  }
  // Who held the lock brought it, and moved it where no links can be made.
  if (commit && await isFile(path)) return;
  const part = join(blobs, `${name}.incomplete`);
  const digest = await withRetries(hub, whatFails(wanted), async () => {
    // Without a tag nothing says that what is there belongs to the same content.
    if (!etag) await Deno.writeFile(part, new Uint8Array(0));
    return await fetchContent(wanted, announced, part);
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
