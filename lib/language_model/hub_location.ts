import type { Hub } from "./hub_request.ts";

/** A repository of the hub at a revision. */
export interface HubRepository {
  /** Id, such as `gpt2` or `google/gemma-2-2b`. */
  repo: string;
  /** Branch, tag or commit, default "main". */
  revision?: string;
  /** Folder for downloads, default Hugging Face's cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
}

// Letters, digits, dots, dashes and underscores, no leading dot: a valid folder name on all systems.
const idPattern = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

/** Whether a text has the form of a hub id: NAME or OWNER/NAME. */
export function isHubId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * The parts of a file's path in a repository. Names come from the hub or from downloaded files, and
 * must not lead out of the cache.
 *
 * @throws {Error} The path has `..`, a leading slash, backslashes, control characters, or on Windows
 * colons (drive letters there; names of some SAEs have them: `…_24576:v1`).
 */
export function hubPathParts(file: string): string[] {
  const parts = file.split("/");
  // deno-lint-ignore no-control-regex
  const bad = Deno.build.os === "windows" ? /^\.{0,2}$|[\\:\x00-\x1f]/ : /^\.{0,2}$|[\\\x00-\x1f]/;
  const wrong = (part: string) => bad.test(part);
  if (parts.some(wrong)) {
    throw new Error(
      `${JSON.stringify(file)} is not a path inside a hub repository, expected NAME or FOLDER/NAME`,
    );
  }
  return parts;
}

/**
 * The error for an HTTP status of 400 or above: {@link HubFileMissingError} where the repository has
 * no such file, else an Error that says what to do.
 */
export function hubError(
  { endpoint, token }: Hub,
  { repo, revision = "main" }: HubRepository,
  { status, code, file, commit }: { status: number; code?: string; file?: string; commit?: string },
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
    return new HubFileMissingError(
      `${repo} has no file ${file} at revision ${revision}`,
      code === "EntryNotFound" ? commit : undefined,
    );
  }
  return new Error(`${endpoint} answers ${status} for ${file_}${repo}`);
}

/** The repository, or in offline mode the cache, has no such file. */
export class HubFileMissingError extends Error {
  /** The error's name, printed before the message. */
  override name: string = "HubFileMissingError";
  /** @param commit The commit that has no such file, where the hub sends it. */
  constructor(message: string, readonly commit?: string) {
    super(message);
  }
}
