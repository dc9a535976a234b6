/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import type { SitePairData } from "./data.ts";
import { GroupCard } from "./groups.tsx";
import { useLoaded } from "./hooks.ts";
import { Failed, Pages, Waiting } from "./parts.tsx";
import { pairAddress } from "./route.ts";

const MOST = 2000;

/** One group of a pair with all of its latents. */
export function GroupPage({ pair, group }: { pair: SitePairData; group: number }): VNode {
  const title = `Group ${group}`;
  const { value, error } = useLoaded(async () => {
    const reader = await pair.reader();
    return { reader, found: await reader.groups(group, 1, MOST) };
  }, [pair.path, group]);
  if (error) return <Failed title={title} error={error} />;
  if (!value) return <Waiting title={title} />;
  const total = value.reader.data.kinds.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      <p class="about">
        of{" "}
        <a href={pairAddress(pair)}>
          {readable(pair.small.name)} → {readable(pair.large.name)}
        </a>: {value.found[0].small} ↔ {value.found[0].large} latents
        {value.found[0].small > MOST || value.found[0].large > MOST
          ? `, of which the first ${MOST} of each SAE are listed`
          : ""}
      </p>
      <GroupCard pair={pair} group={value.found[0]} all />
      <Pages
        page={group + 1}
        pages={total}
        name="groups"
        href={(page) => pairAddress(pair, { group: page - 1 })}
      />
    </>
  );
}
