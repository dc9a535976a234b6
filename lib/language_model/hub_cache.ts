import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { hubPathParts, type HubRepository, isHubId } from "./hub_location.ts";
import { sleep } from "./hub_request.ts";

// The layout is that of huggingface_hub, so that Python tools share the files:
//   models--OWNER--NAME/refs/REVISION          the commit that a branch or tag pointed to
//   models--OWNER--NAME/snapshots/COMMIT/PATH  a link to the blob
//   models--OWNER--NAME/blobs/ETAG             a file's content, stored once for all commits
//   models--OWNER--NAME/.no_exist/COMMIT/PATH  the commit has no such file
//   .locks/models--OWNER--NAME/ETAG.lock       locked by the process that downloads the blob

/**
 * The folder that downloads go to: `cacheDir`, else `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
 * `huggingface/hub` in `XDG_CACHE_HOME`, by default `~/.cache`.
 */
export function hubCacheFolder(
  cacheDir?: string,
  variable: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string {
  if (cacheDir !== undefined) return resolve(cacheDir);
  const folder = (name: string) =>
    variable(name)?.replace(/^~(?=$|[\\/])/, () => homedir()) || undefined;
  const cache = folder("HF_HUB_CACHE");
  if (cache) return resolve(cache);
  const home = folder("HF_HOME") ??
    join(folder("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  return resolve(home, "hub");
}

/**
 * The folder of a repository in the cache.
 *
 * @throws {Error} The id or the revision is not a valid one of the hub.
 */
export function repositoryFolder({ repo, revision = "main", cacheDir }: HubRepository): string {
  if (!isHubId(repo)) {
    throw new Error(`${JSON.stringify(repo)} is not a hub id, expected NAME or OWNER/NAME`);
  }
  // Tags and branches may have slashes (refs/pr/1), and a revision is a path below refs.
  if (!/^\w[\w.\-]*(\/\w[\w.\-]*)*$/.test(revision)) {
    throw new Error(`revision is ${JSON.stringify(revision)}, expected a branch, tag or commit`);
  }
  return join(hubCacheFolder(cacheDir), `models--${repo.replace("/", "--")}`);
}

/** Whether a revision is a commit, whose files never change. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * Name of the cached snapshot of a revision: its commit, which `refs` holds for branches and tags, or
 * the revision itself for hubs that send no commits.
 */
export async function cachedSnapshot(repository: string, revision: string): Promise<string> {
  if (isCommit(revision)) return revision;
  const commit = await Deno.readTextFile(refPath(repository, revision)).catch(ifMissing(""));
  return /^\w[\w.-]*$/.test(commit.trim()) ? commit.trim() : revisionSnapshot(revision);
}

/** Name of a snapshot where the hub sends no commit. */
export function revisionSnapshot(revision: string): string {
  return encodeURIComponent(revision);
}

/** Path of a file in a snapshot. */
export function snapshotPath(repository: string, snapshot: string, file: string): string {
  return join(repository, "snapshots", snapshot, ...hubPathParts(file));
}

/** Path of the marker that a commit has no such file. */
export function missingPath(repository: string, commit: string, file: string): string {
  return join(repository, ".no_exist", commit, ...hubPathParts(file));
}

/** Writes the marker that a commit has no such file. */
export async function noteMissing(repository: string, commit: string, file: string): Promise<void> {
  const path = missingPath(repository, commit, file);
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(path, new Uint8Array(0));
}

function refPath(repository: string, revision: string): string {
  return join(repository, "refs", ...revision.split("/"));
}

/** Records the commit that a branch or tag points to, atomically. */
export async function writeRef(
  repository: string,
  revision: string,
  commit: string,
): Promise<void> {
  const path = refPath(repository, revision);
  if (isCommit(revision) || await Deno.readTextFile(path).catch(ifMissing("")) === commit) return;
  await Deno.mkdir(dirname(path), { recursive: true });
  const written = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  await Deno.writeTextFile(written, commit);
  await Deno.rename(written, path);
}

/**
 * Adds a blob to a snapshot as a relative link, so that the cache can be moved. Where links are not
 * possible (Windows without developer mode; Deno with permissions for some folders only), a new blob
 * is moved and an old one copied, as huggingface_hub does.
 */
export async function placeBlob(blob: string, path: string, isNew: boolean): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  // An existing file has other content, or is a link whose blob was deleted.
  await Deno.remove(path).catch(ifMissing(undefined));
  // Query first: on a terminal, symlink() would prompt for permission to read and write everything.
  const everywhere = ["read", "write"] as const;
  if (everywhere.every((name) => Deno.permissions.querySync({ name }).state === "granted")) {
    try {
      return await Deno.symlink(relative(dirname(path), blob), path, { type: "file" });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      // Links are not supported here.
    }
  }
  if (isNew) return await Deno.rename(blob, path);
  const copied = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  await Deno.copyFile(blob, copied);
  await Deno.rename(copied, path);
}

/**
 * Waits until no other process, Python's included, downloads a blob: all lock the same file with
 * flock (LockFileEx on Windows). Closing the file releases the lock.
 */
export async function lockBlob(
  repository: string,
  name: string,
  signal?: AbortSignal,
): Promise<Deno.FsFile> {
  const folder = join(dirname(repository), ".locks", basename(repository));
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.lock`);
  for (;;) {
    const lock = await Deno.open(path, { create: true, write: true });
    try {
      while (!await lock.tryLock(true)) await sleep(100, signal);
      // Python's filelock deletes the file when it is done: the lock may be on a deleted file.
      const there = await Deno.stat(path).catch(ifMissing(undefined));
      if (there && there.ino === (await lock.stat()).ino) return lock;
    } catch (error) {
      lock.close();
      throw error;
    }
    lock.close();
  }
}

/** Whether a path is a file; links are followed. */
export async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(ifMissing(undefined)))?.isFile ?? false;
}

function ifMissing<T>(value: T): (error: Error) => T {
  return (error) => {
    const { NotFound, NotADirectory, IsADirectory } = Deno.errors;
    const missing = [NotFound, NotADirectory, IsADirectory].some((one) => error instanceof one);
    if (missing) return value;
    throw error;
  };
}
