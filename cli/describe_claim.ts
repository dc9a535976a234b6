import type { Claim } from "../mod.ts";

/** A claim of the paper for people: whether it holds, and below it what this run found. */
export function describeClaim({ claim, found, holds, why }: Claim): string {
  const verdict = holds === undefined ? "?" : holds ? "yes" : "no";
  const reason = why === undefined ? "" : `\n      Not decided: ${why}.`;
  return `  ${verdict.padEnd(4)}${claim}\n      ${found}${reason}`;
}
