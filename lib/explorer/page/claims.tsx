/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import type { Claim } from "../../claims/verdict.ts";
import { readable } from "../readable.ts";

const VERDICTS: [value: boolean | undefined, words: string, name: string][] = [
  [true, "holds", "yes"],
  [false, "does not hold", "no"],
  [undefined, "not decided", "open"],
];

const SEVERAL = ["hold", "do not hold", "not decided"];

/** How many claims hold, do not hold, and are not decided, in words. */
export const verdicts = (counts: readonly number[]): string =>
  counts.flatMap((count, i) =>
    count > 0 ? [`${count} ${count === 1 ? VERDICTS[i][1] : SEVERAL[i]}`] : []
  ).join(", ");

/** Claims of the paper, what this run says to each, and why where it decides nothing. */
export function Claims(
  { title, warnings, claims }: { title: string; warnings: string[]; claims: Claim[] },
): VNode | null {
  if (claims.length === 0) return null;
  const counts = VERDICTS.map(([value]) => claims.filter(({ holds }) => holds === value).length);
  return (
    <section class="card claims">
      <h2>
        {title} <small>{verdicts(counts)}</small>
      </h2>
      {warnings.map((warning) => <p key={warning} class="soft">Note: {readable(warning)}.</p>)}
      <ul>
        {claims.map(({ claim, found, holds, why }) => {
          const [, words, name] = VERDICTS.find(([value]) => value === holds)!;
          return (
            <li key={claim}>
              <span class={`verdict ${name}`}>{words}</span>
              <div>
                <p>{readable(claim)}</p>
                <p class="soft">
                  {readable(found)}
                  {why === undefined ? "" : ` Not decided: ${readable(why)}.`}
                </p>
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
