import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Hub } from "./hub_request.ts";

/** A repository of the hub at a revision. */
export interface HubRepository {
  /** Id, such as `gpt2` or `google/gemma-2-2b`. */
  repo: string;
  /** Branch, tag or commit, default "main". */
  revision?: string;
  /** Folder that downloads go to, default `.cache/saewing/hub` in the home folder. */
  cacheDir?: string;
}

// Letters, digits, dots, dashes and underscores, no leading dot: safe as a folder's name anywhere.
const idPattern = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

/** Whether a text can be the id of a repository: a name, or owner and name. */
export function isHubId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * The folder in the cache that has the repository's files, under their own names:
 * `<cacheDir>/<owner>--<name>/<revision>`. A file that is in it is complete. Throws Error for ids
 * and revisions that the hub cannot have.
 */
export function hubFolder({ repo, revision = "main", cacheDir }: HubRepository): string {
  if (!isHubId(repo)) {
    throw new Error(`${JSON.stringify(repo)} is no id of the hub, expected NAME or OWNER/NAME`);
  }
  // Tags and branches may have slashes (refs/pr/1): encoded, a revision is one folder.
  if (!/^\w[\w.\-/]*$/.test(revision)) {
    throw new Error(`revision is ${JSON.stringify(revision)}, expected a branch, tag or commit`);
  }
  const cache = resolve(cacheDir ?? join(homedir(), ".cache", "saewing", "hub"));
  return join(cache, repo.replace("/", "--"), encodeURIComponent(revision));
}

/**
 * The parts of a file's path in a repository. Names come from the hub or from files that were
 * downloaded, and none may lead out of the cache: throws Error for `..`, absolute paths, backslashes,
 * colons and control characters.
 */
export function hubPathParts(file: string): string[] {
  const parts = file.split("/");
  // deno-lint-ignore no-control-regex
  const wrong = (part: string) => /^\.{0,2}$|[\\:\x00-\x1f]/.test(part);
  if (parts.some(wrong)) {
    throw new Error(`${JSON.stringify(file)} is no path inside a repository of the hub`);
  }
  return parts;
}

/**
 * The error for a status of 400 and above: {@link HubFileMissing} where the repository has no such
 * file, else an Error that says what to do.
 */
export function hubRefusal(
  { endpoint, token }: Hub,
  { repo, revision = "main" }: HubRepository,
  { status, code, file }: { status: number; code?: string; file?: string },
): Error {
  const page = `${endpoint}/${repo}`;
  const file_ = file === undefined ? "" : `${file} of `;
  if (code === "GatedRepo" || (status === 403 && !code)) {
    return new Error(
      `${file_}${repo} is not open to everyone (${status}): accept its conditions at ${page}, and ` +
        (token
          ? "use a token of the account that did (HF_TOKEN is set)"
          : "set HF_TOKEN to a token of that account"),
    );
  }
  if (code === "RevisionNotFound") return new Error(`${repo} has no revision ${revision}`);
  if (code === "RepoNotFound" || status === 401) {
    return new Error(
      `there is no ${repo} at ${endpoint} (${status}), or it is private: ` +
        (token ? "HF_TOKEN has no access to it" : "then set HF_TOKEN"),
    );
  }
  if (status === 404 && file !== undefined) {
    return new HubFileMissing(`${repo} has no file ${file} at revision ${revision}`);
  }
  return new Error(`${endpoint} answers ${status} for ${file_}${repo}`);
}

/** The repository, or in offline mode its part in the cache, has no such file. */
export class HubFileMissing extends Error {
  /** The name shown in front of the message. */
  override name: string = "HubFileMissing";
}
