import { join } from "@std/path";

/**
 * Makes a run's output folder, or finds it.
 *
 * @param out Its path (default: {@linkcode makeDefaultOut}).
 * @throws {Error} It cannot be made.
 */
export async function makeFolder(
  out: string | undefined,
  command: string,
): Promise<{ path: string; isNew: boolean }> {
  try {
    if (out === undefined) return { path: await makeDefaultOut(command), isNew: true };
    const isNew = await Deno.stat(out).then(() => false, () => true);
    await Deno.mkdir(out, { recursive: true });
    return { path: out, isNew };
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "it is, or lies in, a file, expected a folder" : (error as Error).message;
    throw new Error(`the output folder ${out ?? "runs"} cannot be written: ${why}`, {
      cause: error,
    });
  }
}

/**
 * Makes the default output folder: a new one for each run, also for runs that start in the same
 * second.
 */
export async function makeDefaultOut(
  kind: string,
  now = new Date(),
  parent = "runs",
): Promise<string> {
  const base = join(parent, `${kind}-${now.toISOString().slice(0, 19).replaceAll(":", "-")}`);
  for (let same = 1;; same++) {
    const path = same === 1 ? base : `${base}-${same}`;
    try {
      await Deno.mkdir(parent, { recursive: true });
      await Deno.mkdir(path);
      return path;
    } catch (error) {
      // Another process may have removed the parent, empty still, after a failure.
      if (error instanceof Deno.errors.NotFound) same--;
      else if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
