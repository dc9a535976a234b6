import { basename, dirname, resolve } from "@std/path";

/** "runs/m768/sae" → "m768": the last part of each path that tells it from the others. */
export function nameSaes(folders: readonly string[]): string[] {
  const names = folders.map((folder) => {
    const name = basename(folder);
    return name === "sae" ? basename(dirname(resolve(folder))) : name;
  });
  return names.map((name, i) => names.indexOf(name) === i ? name : `${name} (${i + 1})`);
}
