import type { Hub } from "./hub_request.ts";

/** A repository of the hub at a revision. */
export interface HubRepository {
  /** Id, such as `gpt2` or `google/gemma-2-2b`. */
  repo: string;
  /** Branch, tag or commit, default "main". */
  revision?: string;
  /** Folder that downloads go to, default Hugging Face's own cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
}

// Letters, digits, dots, dashes and underscores, no leading dot: safe as a folder's name anywhere.
const idPattern = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

/** Whether a text can be the id of a repository: a name, or owner and name. */
export function isHubId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * The parts of a file's path in a repository. Names come from the hub or from files that were
 * downloaded, and none may lead out of the cache: throws Error for `..`, absolute paths, backslashes and
 * control characters, and on Windows for colons, which name drives there (some SAEs have them: `…_24576:v1`).
 */
export function hubPathParts(file: string): string[] {
  const parts = file.split("/");
  // deno-lint-ignore no-control-regex
  const bad = Deno.build.os === "windows" ? /^\.{0,2}$|[\\:\x00-\x1f]/ : /^\.{0,2}$|[\\\x00-\x1f]/;
  const wrong = (part: string) => bad.test(part);
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
    return new HubFileMissing(
      `${repo} has no file ${file} at revision ${revision}`,
      code === "EntryNotFound" ? commit : undefined,
    );
  }
  return new Error(`${endpoint} answers ${status} for ${file_}${repo}`);
}

/** The repository, or in offline mode its part in the cache, has no such file. */
export class HubFileMissing extends Error {
  /** The name shown in front of the message. */
  override name: string = "HubFileMissing";
  /** @param commit The commit that has no such file, where the hub tells it. */
  constructor(message: string, readonly commit?: string) {
    super(message);
  }
}
