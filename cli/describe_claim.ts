import type { Claim } from "../mod.ts";

/** A claim of the paper for people: whether it holds, and below it what this run found. */
export function describeClaim({ claim, found, holds }: Claim): string {
  const verdict = holds === undefined ? "?" : holds ? "yes" : "no";
  return `  ${verdict.padEnd(4)}${claim}\n      ${found}`;
}
