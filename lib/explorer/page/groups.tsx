/** @jsxImportSource preact */
/// <reference lib="dom" />
import type { VNode } from "preact";
import { readable } from "../readable.ts";
import type { SaeData, SitePairData } from "./data.ts";
import { signed, useKept, useLoaded } from "./hooks.ts";
import { nameOf } from "./names.ts";
import type { PairReader, ReadGroup } from "./pair_reader.ts";
import { Pages } from "./parts.tsx";
import { address, pairAddress } from "./route.ts";

const PAGE = 12;
const MEMBERS = 8;

const KINDS: Record<string, string> = {
  "one-to-one": "a latent that both SAEs have",
  split: "one latent of the small SAE that is several in the large one",
  merged: "several latents of the small SAE that are one in the large one",
  tangled: "several of each",
};

/** Groups of similar latents (A.5) as cards: all, those of a kind, or one. */
export function Groups(
  { pair, reader, kind, page }: {
    pair: SitePairData;
    reader: PairReader;
    kind: string;
    page: number;
  },
): VNode | null {
  const { kinds } = reader.data;
  const total = kinds.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  // Split ones say most; what one-to-one ones say is little.
  const order = ["split", "merged", "tangled", "one-to-one"];
  const known = order.filter((name) => kinds.some((own) => own.kind === name && own.count > 0));
  const shown = known.includes(kind) ? kind : known[0];
  const place = kinds.findIndex((own) => own.kind === shown);
  const { count } = kinds[place];
  const first = kinds.slice(0, place).reduce((sum, own) => sum + own.count, 0);
  const pages = Math.ceil(count / PAGE);
  const at = Math.min(pages, Math.max(1, Math.floor(page) || 1));
  return (
    <section class="card" id="groups">
      <h2>
        Groups of similar latents (A.5) <small>{total} in all</small>
      </h2>
      <p class="soft">
        Latents whose decoder rows have a cosine of at least {reader.data.threshold}{" "}
        are connected. A group is swapped as one.
      </p>
      <ul class="tabs">
        {known.map((name) => (
          <li key={name}>
            <a
              href={pairAddress(pair, { groups: name })}
              aria-current={name === shown ? "true" : undefined}
            >
              {kinds.find((own) => own.kind === name)!.count} {name}
            </a>
          </li>
        ))}
      </ul>
      <p class="soft">{shown}: {KINDS[shown]}</p>
      <Cards
        {...{ pair, reader }}
        first={first + (at - 1) * PAGE}
        count={Math.min(PAGE, count - (at - 1) * PAGE)}
      />
      <Pages
        page={at}
        pages={pages}
        name="pages of groups"
        href={(page) => pairAddress(pair, { groups: shown, page })}
      />
    </section>
  );
}

function Cards(
  { pair, reader, first, count }: {
    pair: SitePairData;
    reader: PairReader;
    first: number;
    count: number;
  },
): VNode {
  const { value, error } = useKept(() => reader.groups(first, count, MEMBERS), [
    pair.path,
    first,
    count,
  ]);
  if (error) return <p class="failed" role="alert">{error}</p>;
  return (
    <div class="columns">
      {(value ?? []).map((group) => <GroupCard key={group.number} {...{ pair, group }} />)}
    </div>
  );
}

/** A group: its latents of both SAEs, and what swapping it does. */
export function GroupCard(
  { pair, group, all = false }: { pair: SitePairData; group: ReadGroup; all?: boolean },
): VNode {
  return (
    <article class="card group">
      {!all && (
        <h3>
          <a href={pairAddress(pair, { group: group.number })}>Group {group.number}</a>{" "}
          <small>
            {group.small} ↔ {group.large}
          </small>
        </h3>
      )}
      <p class="soft">
        swapped: MSE {signed(group.deltaMse - group.deltaBias)}, L0 {signed(group.deltaL0)}
      </p>
      <Members sae={pair.small} latents={group.members.small} total={group.small} />
      <p class="arrow" aria-hidden="true">↕</p>
      <Members sae={pair.large} latents={group.members.large} total={group.large} />
    </article>
  );
}

function Members(
  { sae, latents, total }: { sae: SaeData; latents: number[]; total: number },
): VNode {
  const names = useLoaded(async () => {
    const index = await sae.search();
    return await Promise.all(latents.map(async (one) => nameOf(index, await sae.placeOf(one))));
  }, [sae.name, latents]).value;
  return (
    <ul class="pairs" aria-label={`latents of ${readable(sae.name)}`}>
      {latents.map((latent, i) => (
        <li key={latent}>
          <a href={address(sae.name, "latent", latent)}>{latent}</a>
          <span class="label" dir="auto">{names?.[i]}</span>
        </li>
      ))}
      {total > latents.length && <li class="soft">{total - latents.length} more</li>}
    </ul>
  );
}
