import { createHash } from "node:crypto";

/** The hash of a content that arrives piece by piece. */
export interface BlobHash {
  /** Adds a piece. */
  update(piece: Uint8Array): void;
  /** Adds the bytes of a file. */
  file(path: string): Promise<void>;
  /** All that was added, in hexadecimal digits. */
  digest(): string;
}

/**
 * Begins the hash that an etag of the hub is: SHA-256 (64 digits) of large files, git's (40 digits) of
 * the others. A content without an etag gets its SHA-256 as its name.
 *
 * @param size Length of the content in bytes: git's hash begins with it.
 * @returns undefined for other etags, and for git's hash while the size is not known.
 */
export function startHash(
  etag: string | undefined,
  size: number | undefined,
): BlobHash | undefined {
  const isGit = /^[0-9a-f]{40}$/.test(etag ?? "");
  if (isGit ? size === undefined : !/^[0-9a-f]{64}$/.test(etag ?? "0".repeat(64))) return undefined;
  const hash = createHash(isGit ? "sha1" : "sha256");
  if (isGit) hash.update(`blob ${size}\0`);
  return {
    update: (piece) => void hash.update(piece),
    file: async (path) => {
      using source = await Deno.open(path);
      for await (const piece of source.readable) hash.update(piece);
    },
    digest: () => hash.digest("hex"),
  };
}

/** The hash of a complete file, as {@linkcode startHash} begins it. */
export async function hashFile(
  etag: string | undefined,
  path: string,
  size: number,
): Promise<string | undefined> {
  const hash = startHash(etag, size);
  await hash?.file(path);
  return hash?.digest();
}
