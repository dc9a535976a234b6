import { existsSync } from "node:fs";
import { join } from "@std/path";

const LOCK_FILE = "store.lock";

/**
 * Locks a store's folder against other writers until the lock is disposed of. It is a system file lock
 * on `store.lock`, whose text is the process and host. The system releases it when the process ends, so
 * that there are no stale locks.
 *
 * @param name Name of the lock file, for folders other than a store's.
 * @throws {Error} Another process writes to the folder.
 */
export async function lockStore(folder: string, name = LOCK_FILE): Promise<Disposable> {
  const path = join(folder, name);
  for (;;) {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { create: true, read: true, write: true });
    } catch (error) {
      throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
    const holder = await readHolder(path);
    let hint = "";
    // Where the file system has no locks, the file's existence is the lock.
    const locked = await file.tryLock(true).catch(() => {
      hint = `. If that process is dead, remove ${path}`;
      return holder === "";
    });
    if (!locked) {
      file.close();
      throw new Error(
        `${holder || "another process"} writes to ${folder}: wait for it, or choose another ` +
          `folder${hint}`,
      );
    }
    // The previous holder removes the file when it is done: the lock must be on the current file.
    if (await isAt(file, path)) {
      const text = new TextEncoder().encode(`process ${Deno.pid} on ${host()}\n`);
      await file.truncate();
      await file.write(text);
      return {
        [Symbol.dispose]() {
          // It may be removed already.
          if (existsSync(path)) Deno.removeSync(path);
          file.close();
        },
      };
    }
    file.close();
  }
}

async function readHolder(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim().slice(0, 200);
  } catch {
    return "";
  }
}

async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  const [own, there] = [await file.stat(), await Deno.stat(path).catch(() => undefined)];
  return own.ino === there?.ino && own.dev === there?.dev;
}

function host(): string {
  try {
    return Deno.hostname();
  } catch {
    return "this host";
  }
}
