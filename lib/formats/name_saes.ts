import { resolve } from "@std/path";

/**
 * Short names for SAEs: "runs/m768/sae" → "m768". Where several end alike, as many parts as tell a
 * path from the others: "gpt2/final", "llama/final" → "gpt2-final", "llama-final". What is given twice
 * is numbered by its place.
 */
export function nameSaes(folders: readonly string[]): string[] {
  const paths = folders.map((folder) => {
    const parts = resolve(folder).split(/[\\/]/).filter((part) => part !== "");
    return parts.length > 1 && parts.at(-1) === "sae" ? parts.slice(0, -1) : parts;
  });
  const end = (path: string[], depth: number) => path.slice(-depth).join("-");
  const names = paths.map((own) => {
    const others = paths.filter((path) => end(path, path.length) !== end(own, own.length));
    let depth = 1;
    while (depth < own.length && others.some((path) => end(path, depth) === end(own, depth))) {
      depth++;
    }
    return end(own, depth);
  });
  return names.map((name, i) => names.indexOf(name) === i ? name : `${name} (${i + 1})`);
}
