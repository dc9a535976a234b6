import { join } from "@std/path";

/** Folder of results that no `--out` names: one of its own for each second. */
export function defaultOut(kind: string, now = new Date()): string {
  return join("runs", `${kind}-${now.toISOString().slice(0, 19).replaceAll(":", "-")}`);
}
