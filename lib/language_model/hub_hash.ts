import { createHash } from "node:crypto";

/** A hash that is computed chunk by chunk. */
export interface BlobHash {
  /** Adds a chunk. */
  update(piece: Uint8Array): void;
  /** Adds the bytes of a file. */
  file(path: string): Promise<void>;
  /** The hash of all that was added, in hexadecimal digits. */
  digest(): string;
}

/**
 * Starts the hash that the hub's etag is: SHA-256 (64 digits) for large files, git's SHA-1 (40
 * digits) for others. Without an etag it is SHA-256.
 *
 * @param size Length of the content in bytes, which git hashes first.
 * @returns undefined for other etags, and for git's hash where the size is unknown.
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
