import { join } from "@std/path";

/**
 * Makes the folder of results that no `--out` names: one of its own for each run, also for those that
 * start in the same second.
 */
export async function makeDefaultOut(
  kind: string,
  now = new Date(),
  parent = "runs",
): Promise<string> {
  await Deno.mkdir(parent, { recursive: true });
  const base = join(parent, `${kind}-${now.toISOString().slice(0, 19).replaceAll(":", "-")}`);
  for (let same = 1;; same++) {
    const path = same === 1 ? base : `${base}-${same}`;
    try {
      await Deno.mkdir(path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
